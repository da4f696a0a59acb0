package docker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// event is what the history says of one migration.
type event struct {
	Kind    string `json:"kind"`
	Version string `json:"version"`
	Term    int64  `json:"term"`
	Release string `json:"release"`
}

// appliedOnce checks that every migration was applied by exactly one replica, and returns how many were, the shop's two
// contracts aside: they gate no release, and come when they may.
func appliedOnce(t *testing.T, history string) int {
	t.Helper()
	var events []event
	if err := json.Unmarshal([]byte(history), &events); err != nil {
		t.Fatalf("%v in %s", err, history)
	}
	times := map[string]int{}
	for _, e := range events {
		if e.Kind == "applied" {
			times[e.Version]++
		}
	}
	for version, n := range times {
		if n != 1 {
			t.Errorf("%s was applied %d times", version, n)
		}
	}
	delete(times, "0074")
	delete(times, "0075")
	return len(times)
}

// open tells how many of the containers have an open gate.
func (w *tree) open(containers []string) int {
	n := 0
	for _, c := range containers {
		if _, err := w.try("docker exec " + c + " /schemagate health ready"); err == nil {
			n++
		}
	}
	return n
}

// allOpen waits until the service has three replicas of the release, and every gate is open.
func (w *tree) allOpen(compose, service, release string) []string {
	w.t.Helper()
	var containers []string
	until(w.t, "three replicas of "+service+" "+release+" are open", func() bool {
		containers = strings.Fields(w.ask(compose + " ps -q " + service))
		if len(containers) != 3 {
			return false
		}
		for _, c := range containers {
			if !strings.HasSuffix(w.ask("docker inspect -f '{{.Config.Image}}' "+c), ":"+release) {
				return false
			}
		}
		return w.open(containers) == 3
	})
	return containers
}

// allShut checks that there are replicas of the image, and that none of them is open.
func (w *tree) allShut(image string) {
	w.t.Helper()
	containers := w.lines("docker ps -aq --filter label=com.docker.compose.service=app --filter ancestor=" + image)
	if len(containers) == 0 {
		w.t.Errorf("no container of %s", image)
	}
	if n := w.open(containers); n != 0 {
		w.t.Errorf("%d gates of %s are open", n, image)
	}
}

const (
	entrypointForm = "http://127.0.0.1:8080/products"
	initForm       = "http://127.0.0.1:8081/products"
)

// TestCompose walks through docs/platforms/compose.md: a first release, a second one with a migration, and a third one whose
// migration fails.
func TestCompose(t *testing.T) {
	w := newTree(t)
	p := w.page("compose.md")
	w.after("RELEASE=1 docker compose down -v -t 5", "docker compose ps", "docker compose logs --no-color --tail=40")

	p.run("docker build -t schemagate .")
	p.run("docker compose up --build -d")
	w.allOpen("docker compose", "app", "1")
	serves(t, entrypointForm, "[")
	serves(t, initForm, "[")
	p.run("curl -fsS http://127.0.0.1:8080/products")
	p.run("docker compose exec -T app /schemagate status")
	p.run("docker compose exec -T app /schemagate history")
	if n := appliedOnce(t, w.run("docker compose exec -T app /schemagate history --json")); n != 73 {
		t.Errorf("%d migrations were applied, want 73: all but the two contracts", n)
	}

	w.write("examples/shop/migrations/0076_add_motto.up.sql", "ALTER TABLE products ADD COLUMN motto text;\n")
	p.run("RELEASE=2 docker compose up --build -d")
	w.allOpen("docker compose", "app", "2")
	history := w.run("docker compose exec -T app /schemagate history --json")
	if n := appliedOnce(t, history); n != 74 {
		t.Errorf("%d migrations were applied, want 74", n)
	}
	serves(t, entrypointForm, "[")
	serves(t, initForm, "[")

	before := w.lines("docker compose ps -q app-init")
	w.write("examples/shop/migrations/0077_broken.up.sql", "ALTER TABLE no_such_table ADD COLUMN motto text;\n")
	p.fails("RELEASE=3 docker compose up --build -d")
	// The init form: `up` went no further, and what ran goes on.
	if after := w.lines("docker compose ps -q app-init"); !slices.Equal(before, after) {
		t.Errorf("the replicas behind the failed init service were touched: %q became %q", before, after)
	}
	serves(t, initForm, "[")
	p.run("docker compose logs migrate")
	if log := w.run("docker compose logs migrate"); !strings.Contains(log, "apply 0077_broken.up.sql:1") {
		t.Errorf("the failed service does not say why:\n%s", log)
	}
	// The entrypoint form: Compose replaced what ran, and no new gate opens.
	until(t, "a replica of the release that can't migrate has failed", func() bool {
		return strings.Contains(w.ask("docker compose logs --no-color app"), "apply 0077_broken.up.sql:1")
	})
	w.allShut("shop:3")
	if code, body := get(entrypointForm); code != http.StatusServiceUnavailable {
		t.Errorf("the load balancer answers %d %s for replicas that are all shut", code, body)
	}

	p.run("RELEASE=2 docker compose up -d")
	w.allOpen("docker compose", "app", "2")
	serves(t, entrypointForm, "[")
	p.run("docker compose down -v")
}

// TestComposeMongoDB runs the scripts of examples/payments on FerretDB.
func TestComposeMongoDB(t *testing.T) {
	w := newTree(t)
	const compose = "docker compose -f docker-compose.mongodb.yml"
	w.after(compose+" down -v -t 5", compose+" ps", compose+" logs --no-color --tail=40")
	w.run("docker build -t schemagate .")
	w.run(compose + " up --build -d")
	replicas := w.allOpen(compose, "app", "1")
	serves(t, "http://127.0.0.1:8082/payments", `[{"reference":"a-1","amount_cents":1200,"currency":"EUR"},{"reference":"a-2",`)
	if n := appliedOnce(t, w.run(fmt.Sprintf("docker exec %s /schemagate history --json", replicas[0]))); n != 3 {
		t.Errorf("%d scripts ran, want 3", n)
	}

	w.write("examples/payments/migrations/20240401000000-broken.js",
		"module.exports = { async up(db) { throw new Error('no such luck') }, async down(db) {} }\n")
	w.run("RELEASE=2 " + compose + " up --build -d")
	until(t, "a replica of the release that can't migrate has failed", func() bool {
		return strings.Contains(w.ask(compose+" logs --no-color app"), "no such luck")
	})
	w.allShut("payments:2")
	w.run("RELEASE=1 " + compose + " up -d")
	w.allOpen(compose, "app", "1")
	serves(t, "http://127.0.0.1:8082/payments", `"currency":"EUR"`)
}

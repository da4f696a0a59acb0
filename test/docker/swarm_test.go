package docker

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// visitor asks for a page all the time, and counts what it did not get.
type visitor struct {
	stop    context.CancelFunc
	done    sync.WaitGroup
	asked   int
	refused []string
}

func visit(t *testing.T, url string) *visitor {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	v := &visitor{stop: stop}
	v.done.Go(func() {
		tick := time.NewTicker(30 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
			v.asked++
			if code, body := get(url); code != http.StatusOK {
				v.refused = append(v.refused, fmt.Sprintf("%s: %d %s", time.Now().Format(time.TimeOnly), code, body))
			}
		}
	})
	t.Cleanup(func() { stop(); v.done.Wait() })
	return v
}

// leaves ends the visit, which must have met no one else than an open app.
func (v *visitor) leaves(t *testing.T) {
	t.Helper()
	v.stop()
	v.done.Wait()
	t.Logf("%d requests, %d refused", v.asked, len(v.refused))
	if len(v.refused) > 0 || v.asked == 0 {
		t.Errorf("%d of %d requests were refused:\n%s", len(v.refused), v.asked, strings.Join(v.refused, "\n"))
	}
}

// update waits until the service's update has come to that state.
func (p *page) update(state string) {
	p.t.Helper()
	const ask = "docker service inspect shop_app -f '{{.UpdateStatus.State}}'"
	p.knows(ask)
	until(p.t, "the update is "+state, func() bool { return p.ask(ask) == state })
}

// images are those of the tasks that shall run, with how many do.
func (w *tree) images(service string) string {
	w.t.Helper()
	return w.ask("docker service ps " + service + " --filter desired-state=running --format '{{.Image}} {{.CurrentState}}' | awk '{ print $1, $2 }' | sort | uniq -c | xargs")
}

// TestSwarm walks through docs/platforms/caprover-swarm.md on a single node: a rolling update with a migration, one whose
// migration fails, and what CapRover would make of its own definition.
func TestSwarm(t *testing.T) {
	w := newTree(t)
	w.env = []string{"PASSWORD=a-password-of-the-test"}
	p := w.page("caprover-swarm.md")
	w.after("docker swarm leave --force; until [ -z \"$(docker ps -q)\" ]; do sleep 0.2; done; docker container prune -f; docker volume rm -f shop_db",
		"docker service ls", "docker service ps --no-trunc shop_app", "docker service logs --tail 30 shop_app", "docker service logs --tail 30 shop_lb",
		"docker service logs --tail 10 shop_db", "docker service inspect shop_app")

	const deploy = "docker stack deploy --resolve-image never -c deploy/swarm/stack.yml shop"
	const shop = "http://127.0.0.1:8080/products"
	p.run("docker swarm init --advertise-addr 127.0.0.1")
	p.run(`printf '%s' "$PASSWORD" | docker secret create shop_database_password -`)
	p.run(`printf '%s' "postgres://shop:$PASSWORD@db:5432/shop?sslmode=disable" | docker secret create shop_database_url -`)
	p.run("docker build -t schemagate .")
	p.run("docker build -t shop:1 -f examples/shop/Dockerfile .")
	p.run(deploy)
	until(t, "three tasks run", func() bool { return w.images("shop_app") == "3 shop:1 Running" })
	serves(t, shop, "[")
	p.run("curl -fsS http://127.0.0.1:8080/products")
	replica := func(image string) string { return w.lines("docker ps -q --filter ancestor=" + image)[0] }
	const history = "docker exec %s /schemagate history --json"
	if n := appliedOnce(t, w.run(fmt.Sprintf(history, replica("shop:1")))); n != 73 {
		t.Errorf("%d migrations were applied, want 73: all but the two contracts", n)
	}

	guest := visit(t, shop)
	w.write("examples/shop/migrations/0076_add_motto.up.sql", "ALTER TABLE products ADD COLUMN motto text;\n")
	p.run("docker build -t shop:2 -f examples/shop/Dockerfile .")
	p.run("RELEASE=2 " + deploy)
	p.update("completed")
	if got := w.images("shop_app"); got != "3 shop:2 Running" {
		t.Errorf("after the update: %s", got)
	}
	if n := appliedOnce(t, w.run(fmt.Sprintf(history, replica("shop:2")))); n != 74 {
		t.Errorf("%d migrations were applied, want 74", n)
	}

	// An older image starts on the newer schema, and the newer one finds its work done.
	p.run("docker service rollback shop_app")
	until(t, "the release before is back", func() bool { return w.images("shop_app") == "3 shop:1 Running" })
	w.run("RELEASE=2 " + deploy)
	until(t, "release 2 is back", func() bool { return w.images("shop_app") == "3 shop:2 Running" })
	p.update("completed")

	before := w.run("docker ps -q --filter ancestor=shop:2 | sort")
	w.write("examples/shop/migrations/0077_broken.up.sql", "ALTER TABLE no_such_table ADD COLUMN motto text;\n")
	p.run("docker build -t shop:3 -f examples/shop/Dockerfile .")
	p.run("RELEASE=3 " + deploy)
	p.update("rollback_completed")
	if got := w.images("shop_app"); got != "3 shop:2 Running" {
		t.Errorf("after the rollback: %s", got)
	}
	if after := w.run("docker ps -q --filter ancestor=shop:2 | sort"); after != before {
		t.Errorf("the old tasks were replaced:\n%s\nbecame\n%s", before, after)
	}
	if tasks := p.run("docker service ps --no-trunc shop_app"); !strings.Contains(tasks, "non-zero exit (70)") {
		t.Errorf("the failed task does not show:\n%s", tasks)
	}
	p.run("docker service logs shop_app")
	if log := w.run("docker service logs shop_app 2>&1"); !strings.Contains(log, "apply 0077_broken.up.sql:1") {
		t.Errorf("the log does not say why:\n%s", log)
	}
	guest.leaves(t)

	w.asCapRover("postgres://shop:$PASSWORD@db:5432/shop?sslmode=disable")
	p.run("docker stack rm shop")
}

// asCapRover makes of deploy/caprover/one-click-app.yml what CapRover would: an image of its Dockerfile lines, in a service that
// starts new tasks first and has no failure action.
func (w *tree) asCapRover(databaseURL string) {
	t := w.t
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "deploy", "caprover", "one-click-app.yml"))
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^        - ((?:FROM|HEALTHCHECK) .*)$`).FindAllSubmatch(text, -1)
	if len(lines) != 2 {
		t.Fatalf("%d Dockerfile lines", len(lines))
	}
	for _, release := range []string{"2", "3"} {
		dockerfile := strings.NewReplacer("$$cap_image", "shop:"+release, "$$cap_schemagate", "/schemagate").
			Replace(string(lines[0][1]) + "\n" + string(lines[1][1]) + "\n")
		w.write("Dockerfile.caprover", dockerfile)
		w.run("docker build -t img-captain:" + release + " -f Dockerfile.caprover .")
	}
	// It returns when the task is healthy.
	w.run("timeout 120 docker service create -q --no-resolve-image --name srv-captain --network shop_default --endpoint-mode dnsrr --update-order start-first " +
		`-e DATABASE_URL="` + databaseURL + `" -e SCHEMAGATE_RELEASE=2 img-captain:2`)
	healthy := w.run("docker ps -q --filter ancestor=img-captain:2 --filter health=healthy")
	if healthy == "" {
		t.Error("no healthy task")
	}
	w.run("docker service update -d -q --no-resolve-image --image img-captain:3 srv-captain")
	until(t, "the update is paused", func() bool {
		return w.ask("docker service inspect srv-captain -f '{{.UpdateStatus.State}}'") == "paused"
	})
	if still := w.run("docker ps -q --filter ancestor=img-captain:2 --filter health=healthy"); still != healthy {
		t.Errorf("the old task %q became %q", healthy, still)
	}
	w.run("docker service rm srv-captain")
}

package kubernetes

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

const (
	database = "10.96.0.50" // the Service's address, since this cluster has no DNS
	rollout  = "kubectl rollout status deployment/shop --timeout=10m"
	history  = "kubectl exec deploy/shop -c app -- /schemagate history --json --database-url-file /run/secrets/app/url --schema schemagate"
)

// TestKubernetes walks through docs/platforms/kubernetes.md: the init form, a release with a migration, one whose migration
// fails, a rollback; then the other forms, and a pod that is killed while it leads.
func TestKubernetes(t *testing.T) {
	p := newPage(t)
	p.clues("kubectl get pods -o wide", "kubectl get events --sort-by=.lastTimestamp | tail -n 30", "kubectl describe pods | tail -n 150",
		"kubectl logs deploy/shop --all-containers --tail=20")
	p.nameTheDatabase()

	p.does("docker build -t schemagate .")
	p.does("docker build -t shop:1 -f examples/shop/Dockerfile .")
	p.release("2", "0076_add_motto.up.sql", "ALTER TABLE products ADD COLUMN motto text;\n")
	p.run("load postgres:15 shop:1 shop:2")

	p.does("kubectl apply -f deploy/kubernetes/postgres/postgres.yaml")
	p.does("kubectl rollout status deployment/shop-db --timeout=10m")
	p.does("kubectl exec -i deploy/shop-db -- psql -U postgres -d shop -v ON_ERROR_STOP=1 < deploy/kubernetes/postgres/users.sql")
	// The same Secret, made as on a database of one's own.
	for _, key := range []string{"migrate-url", "app-url"} {
		url := regexp.MustCompile(key + `: (postgres://\S+)`).FindStringSubmatch(p.read("deploy/kubernetes/postgres/postgres.yaml"))
		p.write(key, url[1]+"\n")
	}
	p.run("kubectl delete secret shop-database")
	p.does("kubectl create secret generic shop-database --from-file=migrate-url --from-file=app-url")
	p.does("kubectl apply -k deploy/kubernetes/init")
	p.does(rollout)
	p.applied(73)
	p.does(strings.Replace(history, "--json ", "", 1))
	address := p.run("kubectl get service shop -o jsonpath={.spec.clusterIP}")
	guest := visit(t, "http://"+address+"/products")

	// A release with a migration.
	next := func(form, from, to string) {
		t.Helper()
		p.run(fmt.Sprintf(`sed -i 's/"%s"/"%s"/' deploy/kubernetes/%s/kustomization.yaml`, from, to, form))
		p.run("kubectl apply -k deploy/kubernetes/" + form)
	}
	p.does(`sed -i 's/"1"/"2"/' deploy/kubernetes/init/kustomization.yaml`)
	p.run("kubectl apply -k deploy/kubernetes/init")
	p.run(rollout)
	p.applied(74)
	p.serving("2")

	// One whose migration fails: nothing of the old release goes.
	p.release("3", "0077_broken.up.sql", "ALTER TABLE no_such_table ADD COLUMN motto text;\n")
	p.run("load shop:3")
	before := p.serving("2")
	next("init", "2", "3")
	p.until("the new pod says why", func() bool {
		return strings.Contains(p.ask("kubectl describe pod -l app.kubernetes.io/version=3"), "apply 0077_broken.up.sql:1")
	})
	why := p.does("kubectl describe pod -l app.kubernetes.io/version=3")
	if !regexp.MustCompile(`Message: .*apply 0077_broken\.up\.sql:1`).MatchString(why) || !regexp.MustCompile(`Exit Code: +70`).MatchString(why) {
		t.Errorf("it does not show why:\n%s", why)
	}
	if after := p.serving("2"); after != before {
		t.Errorf("the old pods were replaced:\n%s\nbecame\n%s", before, after)
	}

	p.does("kubectl rollout undo deployment/shop")
	p.does(rollout)
	p.until("the failed pod is gone", func() bool { return p.ask("kubectl get pod -l app.kubernetes.io/version=3 -o name; echo .") == "." })
	if after := p.serving("2"); after != before {
		t.Errorf("the rollback replaced pods:\n%s\nbecame\n%s", before, after)
	}
	p.applied(74)

	// From one form to another is a release, too.
	p.write("examples/shop/migrations/0077_broken.up.sql", "ALTER TABLE products ADD COLUMN slogan text;\n")
	p.release("4", "0078_add_anthem.up.sql", "ALTER TABLE products ADD COLUMN anthem text;\n")
	p.run("load shop:4")
	next("sidecar", "1", "4")
	p.run(rollout)
	p.serving("4")
	p.applied(76)
	if got := p.run(`kubectl get pods -l app.kubernetes.io/version=4 -o jsonpath='{.items[*].status.initContainerStatuses[*].started}'`); got != "true true true" {
		t.Errorf("the sidecars have started: %s", got)
	}
	p.does("kubectl exec deploy/shop -c schemagate -- /schemagate status")
	guest.leaves(t)

	p.killLeader()
	p.jobForm()
	p.recreated()
	p.chart()
}

// nameTheDatabase does what a cluster's DNS would.
func (p *page) nameTheDatabase() {
	for _, path := range []string{"init/deployment.yaml", "sidecar/deployment.yaml", "entrypoint/deployment.yaml", "job/deployment.yaml", "job/job.yaml"} {
		path = "deploy/kubernetes/" + path
		p.write(path, strings.Replace(p.read(path), "      enableServiceLinks: false\n",
			"      enableServiceLinks: false\n      hostAliases: [{ip: "+database+", hostnames: [db]}]\n", 1))
	}
	path := "deploy/kubernetes/postgres/postgres.yaml"
	p.write(path, strings.Replace(p.read(path), "  ports:\n    - port: 5432\n", "  clusterIP: "+database+"\n  ports:\n    - port: 5432\n", 1))
}

// release builds the shop's image with one more migration.
func (p *page) release(name, file, sql string) {
	p.t.Helper()
	p.write("examples/shop/migrations/"+file, sql)
	p.run("docker build -t shop:" + name + " -f examples/shop/Dockerfile .")
}

// serving are the pods of that release, which have to be three and ready.
func (p *page) serving(release string) string {
	p.t.Helper()
	pods := p.run(ready(release))
	if n := len(strings.Fields(pods)); n != 3 {
		p.t.Errorf("%d pods of release %s are ready:\n%s", n, release, pods)
	}
	return pods
}

// ready is the command that names a release's pods whose app is ready, those that are about to end, too.
func ready(release string) string {
	const names = `{range .items[?(@.status.containerStatuses[0].ready==true)]}{.metadata.name}{"\n"}{end}`
	return "kubectl get pods -l app.kubernetes.io/name=shop,app.kubernetes.io/version=" + release + " --sort-by=.metadata.name -o jsonpath='" + names + "'"
}

// applied checks how many migrations the history has as applied, each of them once. The two contracts come when they may, and
// are not counted.
func (p *page) applied(want int) {
	p.t.Helper()
	var events []struct {
		Kind    string `json:"kind"`
		Version string `json:"version"`
	}
	text := p.run(history)
	if err := json.Unmarshal([]byte(text), &events); err != nil {
		p.t.Fatalf("%v\n%s", err, text)
	}
	times := map[string]int{}
	for _, e := range events {
		if e.Kind == "applied" && e.Version != "0074" && e.Version != "0075" {
			times[e.Version]++
		}
	}
	for version, n := range times {
		if n != 1 {
			p.t.Errorf("%s was applied %d times", version, n)
		}
	}
	if len(times) != want {
		p.t.Errorf("%d migrations were applied, want %d", len(times), want)
	}
}

// status asks a pod of the old release, whose set is older: leader and term are the database's.
func (p *page) status() (leader string, term int64) {
	var s struct {
		Leader string `json:"leader"`
		Term   int64  `json:"term"`
	}
	_ = json.Unmarshal([]byte(p.ask("kubectl exec "+p.old+" -c schemagate -- /schemagate status --json")), &s)
	return s.Leader, s.Term
}

// killLeader kills the pod that leads in the midst of a migration, in the entrypoint form.
func (p *page) killLeader() {
	t := p.t
	t.Helper()
	// The migration waits until the test lets it go.
	hold := exec.Command("bash", "-c", "kubectl exec -i deploy/shop-db -- psql -U postgres -d shop -qAt")
	stdin, err := hold.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hold.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := stdin.Write([]byte("SELECT pg_advisory_lock(4242);\n")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = hold.Wait() })
	const locks = "kubectl exec deploy/shop-db -- psql -U postgres -d shop -qAtc \"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4242 AND %s\""
	p.until("the lock is held", func() bool { return p.ask(fmt.Sprintf(locks, "granted")) == "1" })

	p.release("5", "0079_slow.up.sql", "SELECT pg_advisory_xact_lock(4242);\nALTER TABLE products ADD COLUMN ode text;\n")
	p.run("load shop:5")
	p.old = strings.Fields(p.serving("4"))[0]
	p.run(`sed -i 's/maxSurge: 1/maxSurge: 3/' deploy/kubernetes/entrypoint/deployment.yaml`)
	p.run(`sed -i 's/"1"/"5"/' deploy/kubernetes/entrypoint/kustomization.yaml`)
	p.run("kubectl apply -k deploy/kubernetes/entrypoint")
	p.until("the migration waits", func() bool { return p.ask(fmt.Sprintf(locks, "NOT granted")) == "1" })
	leader, term := p.status()
	p.run("kubectl get pod " + leader) // a replica's name is its pod's
	// At once, without a SIGTERM that would let it resign; then its pod goes, too, and another one comes.
	id := p.run("kubectl get pod " + leader + " -o jsonpath={.status.containerStatuses[0].containerID}")
	p.run(`ctr -a "$SCHEMAGATE_TEST_NODE/containerd.sock" -n k8s.io tasks kill -s KILL ` + strings.TrimPrefix(id, "containerd://"))
	p.run("kubectl delete pod " + leader + " --grace-period=0 --force")
	p.until("another one leads", func() bool {
		who, since := p.status()
		return who != "" && who != leader && since > term
	})
	p.until("its migration waits", func() bool { return p.ask(fmt.Sprintf(locks, "NOT granted")) == "1" })
	p.serving("4")
	if _, err := stdin.Write([]byte("SELECT pg_advisory_unlock(4242);\n")); err != nil {
		t.Fatal(err)
	}
	p.run(rollout)
	p.serving("5")
	p.applied(77)
}

// jobForm: a Job migrates, and pods without the right to wait for it.
func (p *page) jobForm() {
	p.t.Helper()
	p.release("6", "0080_add_fable.up.sql", "ALTER TABLE products ADD COLUMN fable text;\n")
	p.run("load shop:6")
	p.run(`sed -i 's/"1"/"6"/' deploy/kubernetes/job/kustomization.yaml`)
	p.does("kubectl delete job shop-migrate --ignore-not-found")
	p.does("kubectl apply -k deploy/kubernetes/job")
	p.does("kubectl wait --for=condition=Complete job/shop-migrate --timeout=10m")
	p.run(rollout)
	p.serving("6")
	p.applied(78)
}

// recreated: the strategy and what it allows to say come together.
func (p *page) recreated() {
	p.t.Helper()
	p.run(`sed -i 's/"2"/"6"/; s/"3"/"6"/' deploy/kubernetes/init/kustomization.yaml`)
	p.run("kubectl delete job shop-migrate")
	p.run("kubectl apply -k deploy/kubernetes/recreate")
	p.run(rollout)
	p.serving("6")
	const says = `kubectl get deployment shop -o jsonpath='{.spec.strategy.type} {.spec.template.spec.initContainers[0].env[?(@.name=="SCHEMAGATE_INIT_REPLICAS")].value}'`
	if got := p.run(says); got != "Recreate stopped" {
		p.t.Errorf("got %q", got)
	}
}

// chart: what Helm makes of the chart runs, too.
func (p *page) chart() {
	p.t.Helper()
	p.run("kubectl delete -k deploy/kubernetes/recreate")
	p.until("the pods are gone", func() bool { return p.ask("kubectl get pod -l app.kubernetes.io/name=shop -o name; echo .") == "." })
	values := "deploy/helm/schemagate/values.yaml"
	p.write(values, strings.Replace(p.read(values), "hostAliases: []", "hostAliases: [{ip: "+database+", hostnames: [db]}]", 1))
	p.does("helm upgrade --install shop deploy/helm/schemagate --wait --timeout 10m --set form=sidecar,image=shop:6 --set-string release=6")
	// It is the same release again and again, so the old form's pods count for as long as they drain.
	drained := func() bool { return len(strings.Fields(p.ask(ready("6")))) == 3 }
	p.until("the sidecar form serves alone", drained)
	for _, form := range []string{"entrypoint", "job", "init"} {
		p.run("helm upgrade shop deploy/helm/schemagate --wait --timeout 10m --set form=" + form + ",image=shop:6 --set-string release=6")
		p.until("the form "+form+" serves alone", drained)
	}
	p.applied(78)
}

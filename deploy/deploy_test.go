// Package deploy tests the definitions beside it, as far as that goes without running them: they parse, they set what exists,
// and they give a leader its time.
package deploy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/schemagate/schemagate/config"
)

// definition is what the files for Compose, Swarm and CapRover have in common.
type definition struct {
	Services map[string]service `yaml:"services"`
}

type service struct {
	Image       string            `yaml:"image"`
	Entrypoint  []string          `yaml:"entrypoint"`
	Environment map[string]string `yaml:"environment"`
	Healthcheck *struct {
		Test        []string `yaml:"test"`
		StartPeriod string   `yaml:"start_period"`
		Disable     bool     `yaml:"disable"`
	} `yaml:"healthcheck"`
	DependsOn dependencies `yaml:"depends_on"`
	Deploy    struct {
		Replicas     int    `yaml:"replicas"`
		EndpointMode string `yaml:"endpoint_mode"`
		Update       struct {
			Order         string `yaml:"order"`
			FailureAction string `yaml:"failure_action"`
		} `yaml:"update_config"`
	} `yaml:"deploy"`
	Volumes       []string `yaml:"volumes"`
	CaproverExtra struct {
		ContainerHTTPPort string   `yaml:"containerHttpPort"`
		DockerfileLines   []string `yaml:"dockerfileLines"`
	} `yaml:"caproverExtra"`
}

// dependencies may also be a plain list of names.
type dependencies map[string]struct {
	Condition string `yaml:"condition"`
}

func (d *dependencies) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.SequenceNode {
		return nil
	}
	return node.Decode((*map[string]struct {
		Condition string `yaml:"condition"`
	})(d))
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parse(t *testing.T, text string) definition {
	t.Helper()
	var d definition
	if err := yaml.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// settings loads a service's environment as schemagate would: what it does not know is an error here.
func settings(t *testing.T, name string, s service) *config.Config {
	t.Helper()
	var environ []string
	for variable, value := range s.Environment {
		// The secret that this names is not here; that it is readable is the swarm's business.
		if variable == "SCHEMAGATE_DATABASE_URL_FILE" {
			variable, value = "SCHEMAGATE_DATABASE_URL", "postgres://db/shop"
		}
		environ = append(environ, variable+"="+regexp.MustCompile(`\$\{\w+:-(.*?)\}`).ReplaceAllString(value, "$1"))
	}
	c, warnings, err := config.Load(config.Options{Environ: environ})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%s: %v, %q", name, err, warnings)
	}
	return c
}

// patient checks that a HEALTHCHECK which kills asks for the start alone, and not before schemagate itself has given up.
func patient(t *testing.T, test []string, startPeriod string, c *config.Config) {
	t.Helper()
	period, err := time.ParseDuration(startPeriod)
	if err != nil {
		t.Fatal(err)
	}
	if period < c.Timeout || c.Timeout == 0 {
		t.Errorf("the start period %s is shorter than SCHEMAGATE_TIMEOUT %s", period, c.Timeout)
	}
	if len(test) != 4 || test[0] != "CMD" || !slices.Equal(test[2:], []string{"health", "startup"}) {
		t.Errorf("the HEALTHCHECK is %q", test)
	}
}

var healthcheck = regexp.MustCompile(`(?m)^HEALTHCHECK .*--start-period=(\S+) CMD (\[.*\])$`)

// dockerfileHealthcheck returns the exec form, with CMD as a stack file has it, and the start period.
func dockerfileHealthcheck(t *testing.T, text string) (test []string, startPeriod string) {
	t.Helper()
	m := healthcheck.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no HEALTHCHECK in exec form in\n%s", text)
	}
	if err := json.Unmarshal([]byte(m[2]), &test); err != nil {
		t.Fatal(err)
	}
	return append([]string{"CMD"}, test...), m[1]
}

func TestDockerfilesArePatient(t *testing.T) {
	defaults := settings(t, "the defaults", service{Environment: map[string]string{"DATABASE_URL": "postgres://db/shop"}})
	for _, path := range []string{"../Dockerfile", "../examples/shop/Dockerfile", "../examples/payments/Dockerfile", "../examples/typeorm/Dockerfile"} {
		test, period := dockerfileHealthcheck(t, read(t, path))
		patient(t, test, period, defaults)
	}
}

func TestCompose(t *testing.T) {
	d := parse(t, read(t, "../docker-compose.yml"))
	for _, name := range []string{"app", "migrate", "app-init"} {
		if c := settings(t, name, d.Services[name]); c.Release != "1" || !strings.HasPrefix(c.Election, "consul://consul:") {
			t.Errorf("%s: release %q, election %q", name, c.Release, c.Election)
		}
	}
	if c := d.Services["app-init"].DependsOn["migrate"].Condition; c != "service_completed_successfully" {
		t.Errorf("app-init starts after migrate is %q", c)
	}
	if s := d.Services["migrate"]; !slices.Equal(s.Entrypoint, []string{"/schemagate", "up"}) {
		t.Errorf("migrate runs %q", s.Entrypoint)
	}
	mongo := parse(t, read(t, "../docker-compose.mongodb.yml"))
	if c := settings(t, "mongodb", mongo.Services["app"]); !strings.HasPrefix(c.DatabaseURL, "mongodb://") {
		t.Errorf("got %q", c.DatabaseURL)
	}
	for name, s := range map[string]service{"app": d.Services["app"], "app-init": d.Services["app-init"], "mongodb": mongo.Services["app"]} {
		if s.Deploy.Replicas != 3 {
			t.Errorf("%s has %d replicas", name, s.Deploy.Replicas)
		}
	}
}

func TestSwarm(t *testing.T) {
	d := parse(t, read(t, "swarm/stack.yml"))
	app := d.Services["app"]
	patient(t, app.Healthcheck.Test, app.Healthcheck.StartPeriod, settings(t, "app", app))
	if u := app.Deploy.Update; u.Order != "start-first" || u.FailureAction != "rollback" {
		t.Errorf("the update is %+v", u)
	}
	for name, s := range d.Services {
		if s.Deploy.EndpointMode != "dnsrr" {
			t.Errorf("%s has the endpoint mode %q", name, s.Deploy.EndpointMode)
		}
	}
}

func TestCapRover(t *testing.T) {
	for _, path := range []string{"caprover/captain-definition", "../examples/typeorm/captain-definition"} {
		var captain struct {
			SchemaVersion  int    `json:"schemaVersion"`
			DockerfilePath string `json:"dockerfilePath"`
		}
		if err := json.Unmarshal([]byte(read(t, path)), &captain); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		// It lies in the root of what is deployed.
		root := ".."
		if strings.HasPrefix(path, "..") {
			root = filepath.Dir(path)
		}
		if captain.SchemaVersion != 2 {
			t.Errorf("%s: version %d", path, captain.SchemaVersion)
		}
		read(t, filepath.Join(root, captain.DockerfilePath))
	}

	text := read(t, "caprover/one-click-app.yml")
	var app struct {
		CaptainVersion int `yaml:"captainVersion"`
		OneClick       struct {
			Variables []struct {
				ID           string `yaml:"id"`
				DefaultValue string `yaml:"defaultValue"`
				ValidRegex   string `yaml:"validRegex"`
			} `yaml:"variables"`
			Description string `yaml:"description"`
		} `yaml:"caproverOneClickApp"`
	}
	if err := yaml.Unmarshal([]byte(text), &app); err != nil {
		t.Fatal(err)
	}
	if app.CaptainVersion != 4 || app.OneClick.Description == "" || len(app.OneClick.Description) > 200 {
		t.Errorf("got %+v", app)
	}
	// What a user of the form would have answered: every variable is declared, and its own default is valid.
	values := []string{"$$cap_appname", "shop", "$$cap_gen_random_hex(24)", "0123456789abcdef01234567"}
	for _, v := range app.OneClick.Variables {
		value := strings.ReplaceAll(v.DefaultValue, "$$cap_gen_random_hex(24)", values[3])
		if v.ID == "$$cap_image" {
			value = "registry.example/shop:1"
		}
		if re := regexp.MustCompile(strings.Trim(v.ValidRegex, "/")); !re.MatchString(value) {
			t.Errorf("%s: %q does not match its own %s", v.ID, value, v.ValidRegex)
		}
		values = append(values, v.ID, value)
	}
	services := text[strings.Index(text, "services:"):strings.Index(text, "caproverOneClickApp:")]
	filled := strings.NewReplacer(values...).Replace(services)
	if strings.Contains(filled, "$$cap_") {
		t.Fatalf("a variable that nobody declares in\n%s", filled)
	}
	shop := parse(t, filled).Services["shop"]
	c := settings(t, "shop", shop)
	if !strings.Contains(c.DatabaseURL, "@srv-captain--shop-db:5432/") || shop.CaproverExtra.ContainerHTTPPort != "8080" {
		t.Errorf("got %q, port %q", c.DatabaseURL, shop.CaproverExtra.ContainerHTTPPort)
	}
	if len(shop.Volumes) > 0 {
		t.Error("an app with volumes is updated stop-first: the old version would be gone before the gate opens")
	}
	test, period := dockerfileHealthcheck(t, strings.Join(shop.CaproverExtra.DockerfileLines, "\n"))
	patient(t, test, period, c)
}

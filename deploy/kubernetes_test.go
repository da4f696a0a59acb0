package deploy

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/schemagate/schemagate/config"
)

// The forms, each with the files that it is made of.
var forms = map[string][]string{
	"init":       {"kubernetes/base/service.yaml", "kubernetes/init/deployment.yaml"},
	"sidecar":    {"kubernetes/base/service.yaml", "kubernetes/sidecar/deployment.yaml"},
	"entrypoint": {"kubernetes/base/service.yaml", "kubernetes/entrypoint/deployment.yaml"},
	"job":        {"kubernetes/base/service.yaml", "kubernetes/job/deployment.yaml", "kubernetes/job/job.yaml"},
}

func TestKubernetes(t *testing.T) {
	for form, files := range forms {
		t.Run(form, func(t *testing.T) {
			var text strings.Builder
			for _, path := range files {
				text.WriteString("---\n" + read(t, path))
			}
			checkForm(t, form, text.String())
		})
	}
}

// TestKustomizations checks that what they name is there; kubectl renders them in test/kubernetes.
func TestKustomizations(t *testing.T) {
	paths, err := filepath.Glob("kubernetes/*/kustomization.yaml")
	if err != nil || len(paths) != len(forms)+2 {
		t.Fatalf("%q, %v", paths, err)
	}
	for _, path := range paths {
		var k struct {
			APIVersion string   `yaml:"apiVersion"`
			Kind       string   `yaml:"kind"`
			Resources  []string `yaml:"resources"`
			Images     []struct {
				Name   string `yaml:"name"`
				NewTag string `yaml:"newTag"`
			} `yaml:"images"`
			Labels []struct {
				Pairs            map[string]string `yaml:"pairs"`
				IncludeTemplates bool              `yaml:"includeTemplates"`
			} `yaml:"labels"`
			Patches []struct {
				Path string `yaml:"path"`
			} `yaml:"patches"`
		}
		strict(t, path, read(t, path), &k)
		for _, resource := range k.Resources {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), resource)); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
		// The release that the history will name is that of the image.
		for _, image := range k.Images {
			if len(k.Labels) != 1 || !k.Labels[0].IncludeTemplates || k.Labels[0].Pairs["app.kubernetes.io/version"] != image.NewTag {
				t.Errorf("%s: the image %s:%s has the labels %+v", path, image.Name, image.NewTag, k.Labels)
			}
		}
		for _, patch := range k.Patches {
			var d object
			strict(t, path, read(t, filepath.Join(filepath.Dir(path), patch.Path)), &d)
			if d.Spec.Strategy.Type != "Recreate" || d.Spec.Template.Spec.InitContainers[0].env("SCHEMAGATE_INIT_REPLICAS") != "stopped" {
				t.Errorf("%s: SCHEMAGATE_INIT_REPLICAS and the strategy belong together: %+v", path, d)
			}
		}
	}
}

// checkForm holds what Kubernetes would be given against what this form promises.
func checkForm(t *testing.T, form, text string) {
	t.Helper()
	objects := decode(t, form, text)
	gates := map[string]string{"init": "up", "sidecar": "sidecar", "entrypoint": "run", "job": "wait"}
	deployment, service := objects["Deployment"], objects["Service"]
	if deployment == nil || service == nil {
		t.Fatalf("no Deployment, or no Service, in %s", text)
	}
	checkDeployment(t, deployment, service)
	gate := checkPod(t, deployment, gates[form])
	checkSeparation(t, form, deployment.Spec.Template.Spec)
	if d := deployment.Spec.ProgressDeadlineSeconds; seconds(d) <= gate.Timeout || gate.Timeout == 0 {
		t.Errorf("progressDeadlineSeconds %d is not longer than SCHEMAGATE_TIMEOUT %s", d, gate.Timeout)
	}
	job := objects["Job"]
	if (job != nil) != (form == "job") {
		t.Fatalf("the form %s has the Job %+v", form, job)
	}
	if job == nil {
		return
	}
	checkPod(t, job, "up")
	if job.Spec.Template.Spec.RestartPolicy != "Never" || job.Spec.ActiveDeadlineSeconds != nil {
		t.Error("the Job would cut a migration, or hide its failure")
	}
	if deployment.Spec.Template.Spec.uses("migrate-url") {
		t.Error("the app's pods hold what only the Job may")
	}
}

func checkDeployment(t *testing.T, d, service *object) {
	t.Helper()
	if d.Spec.Replicas != 3 {
		t.Errorf("%d replicas", d.Spec.Replicas)
	}
	labels := d.Spec.Template.Metadata.Labels
	if labels["app.kubernetes.io/version"] == "" {
		t.Error("SCHEMAGATE_RELEASE is to come of the label app.kubernetes.io/version, which is not there")
	}
	for what, selector := range map[string]map[string]string{"Deployment": d.Spec.Selector.MatchLabels, "Service": service.Spec.Selector.MatchLabels} {
		for key, value := range selector {
			if labels[key] != value || key == "app.kubernetes.io/version" {
				t.Errorf("the %s selects %s=%s, the pods have %q", what, key, value, labels)
			}
		}
		if len(selector) == 0 {
			t.Errorf("the %s selects nothing", what)
		}
	}
	if s := d.Spec.Strategy; s.Type != "RollingUpdate" || s.RollingUpdate.MaxUnavailable != 0 || s.RollingUpdate.MaxSurge < 1 {
		t.Errorf("with the strategy %+v a failed migration would take old pods away", s)
	}
}

// checkPod checks one pod template, and returns the settings of the container that is its gate.
func checkPod(t *testing.T, o *object, command string) *config.Config {
	t.Helper()
	pod := o.Spec.Template.Spec
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken || pod.EnableServiceLinks == nil || *pod.EnableServiceLinks {
		t.Errorf("%s: a service account's token, or service links, are mounted", o.Kind)
	}
	if s := pod.SecurityContext; !s.RunAsNonRoot || s.RunAsUser == 0 || s.FSGroup == 0 || s.SeccompProfile.Type != "RuntimeDefault" {
		t.Errorf("%s: the pod's security context is %+v", o.Kind, s)
	}
	var gate *config.Config
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		s := c.SecurityContext
		if s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || !s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}) {
			t.Errorf("%s: the security context of %s is %+v", o.Kind, c.Name, s)
		}
		if c.Resources.Requests["memory"] == "" || c.Resources.Limits["memory"] == "" || c.Resources.Requests["cpu"] == "" {
			t.Errorf("%s: %s asks for %+v", o.Kind, c.Name, c.Resources)
		}
		pod.checkMounts(t, c)
		if len(c.Command) > 1 && c.Command[0] == "/schemagate" && c.Command[1] == command {
			if gate != nil {
				t.Errorf("%s: two gates", o.Kind)
			}
			gate = checkGate(t, o, c)
		} else if slices.ContainsFunc(c.Env, func(v variable) bool { return strings.HasPrefix(v.Name, "SCHEMAGATE_") }) {
			t.Errorf("%s: %s has settings and runs %q", o.Kind, c.Name, c.Command)
		}
		if c.Lifecycle != nil && c.Lifecycle.PreStop.Sleep.Seconds < 1 {
			t.Errorf("%s: preStop of %s sleeps for nothing", o.Kind, c.Name)
		}
	}
	if gate == nil {
		t.Fatalf("%s: no container runs schemagate %s", o.Kind, command)
	}
	return gate
}

// appDrain is what the shop takes for the requests that run when it is told to stop.
const appDrain = 10 * time.Second

// checkGate checks the container that runs schemagate.
func checkGate(t *testing.T, o *object, c container) *config.Config {
	t.Helper()
	cfg := c.settings(t)
	for _, needs := range []string{"SCHEMAGATE_REPLICA=metadata.name", "SCHEMAGATE_RELEASE=metadata.labels['app.kubernetes.io/version']"} {
		name, path, _ := strings.Cut(needs, "=")
		if got := c.env(name); got != path {
			t.Errorf("%s: %s comes from %q", c.Name, name, got)
		}
	}
	runs(t, c.Command, 78) // it knows the command, and then misses its database
	stays := c.Command[1] == "sidecar" || c.Command[1] == "run"
	if stays != (c.StartupProbe != nil && c.ReadinessProbe != nil && c.LivenessProbe != nil) {
		t.Fatalf("%s: the probes of %q are %+v %+v %+v", c.Name, c.Command, c.StartupProbe, c.ReadinessProbe, c.LivenessProbe)
	}
	grace := seconds(o.Spec.Template.Spec.TerminationGracePeriodSeconds)
	for _, beside := range o.Spec.Template.Spec.Containers {
		if beside.Lifecycle != nil {
			grace -= seconds(beside.Lifecycle.PreStop.Sleep.Seconds)
		} else if o.Kind == "Deployment" && cfg.Drain == 0 {
			t.Errorf("%s stops before the proxies know of it: neither preStop nor SCHEMAGATE_DRAIN", beside.Name)
		}
	}
	if o.Kind == "Deployment" && grace < cfg.Drain+appDrain {
		t.Errorf("after preStop %s of terminationGracePeriodSeconds are left for SCHEMAGATE_DRAIN %s and the app's own %s", grace, cfg.Drain, appDrain)
	}
	if !stays {
		return cfg
	}
	runs(t, c.StartupProbe.Exec.Command, 1) // it knows the probe, and then misses who would answer
	if p := c.StartupProbe; seconds(p.FailureThreshold*p.PeriodSeconds) <= cfg.Timeout {
		t.Errorf("%s: the startup probe gives up after %ds, before SCHEMAGATE_TIMEOUT %s", c.Name, p.FailureThreshold*p.PeriodSeconds, cfg.Timeout)
	}
	if ready, live := c.ReadinessProbe.HTTPGet, c.LivenessProbe.HTTPGet; ready.Path != "/readyz" || live.Path != "/livez" ||
		c.port(ready.Port) != cfg.HTTPAddr || c.port(live.Port) != cfg.HTTPAddr {
		t.Errorf("%s: ready is %+v, live %+v, and schemagate listens on %s", c.Name, ready, live, cfg.HTTPAddr)
	}
	if value := c.find("SCHEMAGATE_APP_HEALTH_URL"); c.Command[1] == "sidecar" && (value == nil || value.Value == nil || *value.Value != "") {
		t.Error("the sidecar waits for the app that its image names, and the app for the sidecar")
	}
	if c.Command[1] == "sidecar" && c.RestartPolicy != "Always" {
		t.Error("without restartPolicy the sidecar is an init container that never ends")
	}
	return cfg
}

// checkSeparation: who serves does not hold the credentials of who migrates, where the form has two containers.
func checkSeparation(t *testing.T, form string, pod podSpec) {
	t.Helper()
	for _, c := range pod.Containers {
		if pod.keyOf(c.env("DATABASE_URL_FILE")) == "" || pod.keyOf(c.env("DATABASE_URL_FILE")) == "migrate-url" {
			t.Errorf("%s: the app uses %q", c.Name, c.env("DATABASE_URL_FILE"))
		}
		if form == "entrypoint" {
			continue
		}
		if c.find("DATABASE_URL") != nil || slices.ContainsFunc(c.VolumeMounts, func(m mount) bool { return m.Name == "migrate-url" }) {
			t.Errorf("%s: the app holds what may change the schema", c.Name)
		}
	}
}

// runs starts the binary with that command line and nothing else.
func runs(t *testing.T, command []string, want int) {
	t.Helper()
	if len(command) < 2 || command[0] != "/schemagate" {
		t.Fatalf("%q is not schemagate", command)
	}
	cmd := exec.Command(binary(t), command[1:]...)
	cmd.Env = []string{"SCHEMAGATE_HTTP_ADDR=127.0.0.1:1"}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != want {
		t.Errorf("%q: %v, want exit code %d\n%s", command, err, want, out)
	}
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// decode takes a stream of manifests apart; a field that is not known here is an error, as most are misspelled.
func decode(t *testing.T, name, text string) map[string]*object {
	t.Helper()
	objects := map[string]*object{}
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	for {
		o := &object{}
		if err := d.Decode(o); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if o.Kind != "" {
			objects[o.Kind] = o
		}
	}
}

func strict(t *testing.T, name, text string, into any) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

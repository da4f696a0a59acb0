package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// helm finds the program: on PATH, or in the test cache, where `test/kubernetes/build.sh helm` puts it. To build it takes
// minutes, so that is not done here.
func helm(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("helm"); err == nil {
		return path
	}
	cache := os.Getenv("SCHEMAGATE_TEST_CACHE")
	if cache == "" {
		cache = "../.cache"
	}
	path := filepath.Join(cache, "kubernetes", "bin", "helm")
	if _, err := os.Stat(path); err != nil {
		t.Skip("NOT RUN: the Helm chart is not rendered, since helm is neither on PATH nor built: test/kubernetes/build.sh helm")
	}
	return path
}

// kubeVersion is what the chart is rendered for: a helm that was built from its module knows no recent one.
const kubeVersion = "1.34.0"

// TestHelm holds what the chart renders against the same promises as the plain manifests.
func TestHelm(t *testing.T) {
	helm := helm(t)
	render := func(args ...string) (string, error) {
		cmd := exec.Command(helm, append([]string{"template", "shop", "helm/schemagate", "--kube-version", kubeVersion}, args...)...)
		// Nobody's configuration, and no cluster.
		cmd.Env = []string{"HOME=" + t.TempDir()}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for form := range forms {
		t.Run(form, func(t *testing.T) {
			for _, args := range [][]string{
				{"--set", "form=" + form},
				{"--set", "form=" + form, "--set", "timeoutMinutes=90,drainSeconds=40"},
			} {
				out, err := render(args...)
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				checkForm(t, form, out)
			}
		})
	}
	t.Run("recreate", func(t *testing.T) {
		out, err := render("--set", "recreate=true")
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		d := decode(t, "recreate", out)["Deployment"]
		if d.Spec.Strategy.Type != "Recreate" || d.Spec.Template.Spec.InitContainers[0].env("SCHEMAGATE_INIT_REPLICAS") != "stopped" {
			t.Errorf("SCHEMAGATE_INIT_REPLICAS and the strategy belong together:\n%s", out)
		}
	})
	for set, message := range map[string]string{
		"form=sidecra":     `form "sidecra" is none of init, sidecar, entrypoint, job`,
		"timeoutMinutes=0": "timeoutMinutes has to be 1 or more",
	} {
		if out, err := render("--set", set); err == nil || !strings.Contains(out, message) {
			t.Errorf("%s: %v, %s", set, err, out)
		}
	}
	cmd := exec.Command(helm, "lint", "--strict", "--kube-version", kubeVersion, "helm/schemagate")
	cmd.Env = []string{"HOME=" + t.TempDir()}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

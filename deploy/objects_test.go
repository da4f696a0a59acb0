package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/schemagate/schemagate/config"
)

// object is what the manifests use of Kubernetes' API.
type object struct {
	APIVersion string   `yaml:"apiVersion"`
	Kind       string   `yaml:"kind"`
	Metadata   metadata `yaml:"metadata"`
	Spec       struct {
		Replicas                int      `yaml:"replicas"`
		MaxUnavailable          int      `yaml:"maxUnavailable"`
		ProgressDeadlineSeconds int      `yaml:"progressDeadlineSeconds"`
		BackoffLimit            int      `yaml:"backoffLimit"`
		ActiveDeadlineSeconds   *int     `yaml:"activeDeadlineSeconds"`
		PodFailurePolicy        any      `yaml:"podFailurePolicy"`
		Selector                selector `yaml:"selector"`
		Strategy                struct {
			Type          string `yaml:"type"`
			RollingUpdate struct {
				MaxSurge       int `yaml:"maxSurge"`
				MaxUnavailable int `yaml:"maxUnavailable"`
			} `yaml:"rollingUpdate"`
		} `yaml:"strategy"`
		Template struct {
			Metadata metadata `yaml:"metadata"`
			Spec     podSpec  `yaml:"spec"`
		} `yaml:"template"`
		Ports []struct {
			Name       string `yaml:"name"`
			Port       int    `yaml:"port"`
			TargetPort string `yaml:"targetPort"`
		} `yaml:"ports"`
	} `yaml:"spec"`
}

type metadata struct {
	Name   string            `yaml:"name"`
	Labels map[string]string `yaml:"labels"`
}

// selector is a Service's plain map as well as a Deployment's matchLabels.
type selector struct {
	MatchLabels map[string]string
}

func (s *selector) UnmarshalYAML(node *yaml.Node) error {
	var labels struct {
		MatchLabels map[string]string `yaml:"matchLabels"`
	}
	if err := node.Decode(&labels); err != nil || labels.MatchLabels != nil {
		s.MatchLabels = labels.MatchLabels
		return err
	}
	return node.Decode(&s.MatchLabels)
}

type podSpec struct {
	AutomountServiceAccountToken  *bool  `yaml:"automountServiceAccountToken"`
	EnableServiceLinks            *bool  `yaml:"enableServiceLinks"`
	TerminationGracePeriodSeconds int    `yaml:"terminationGracePeriodSeconds"`
	RestartPolicy                 string `yaml:"restartPolicy"`
	SecurityContext               struct {
		RunAsNonRoot   bool `yaml:"runAsNonRoot"`
		RunAsUser      int  `yaml:"runAsUser"`
		RunAsGroup     int  `yaml:"runAsGroup"`
		FSGroup        int  `yaml:"fsGroup"`
		SeccompProfile struct {
			Type string `yaml:"type"`
		} `yaml:"seccompProfile"`
	} `yaml:"securityContext"`
	InitContainers []container `yaml:"initContainers"`
	Containers     []container `yaml:"containers"`
	Volumes        []struct {
		Name   string `yaml:"name"`
		Secret struct {
			SecretName  string `yaml:"secretName"`
			DefaultMode int    `yaml:"defaultMode"`
			Items       []struct {
				Key  string `yaml:"key"`
				Path string `yaml:"path"`
			} `yaml:"items"`
		} `yaml:"secret"`
	} `yaml:"volumes"`
}

type container struct {
	Name          string     `yaml:"name"`
	Image         string     `yaml:"image"`
	PullPolicy    string     `yaml:"imagePullPolicy"`
	RestartPolicy string     `yaml:"restartPolicy"`
	Command       []string   `yaml:"command"`
	Env           []variable `yaml:"env"`
	Ports         []struct {
		Name          string `yaml:"name"`
		ContainerPort int    `yaml:"containerPort"`
	} `yaml:"ports"`
	StartupProbe   *probe `yaml:"startupProbe"`
	ReadinessProbe *probe `yaml:"readinessProbe"`
	LivenessProbe  *probe `yaml:"livenessProbe"`
	Lifecycle      *struct {
		PreStop struct {
			Sleep struct {
				Seconds int `yaml:"seconds"`
			} `yaml:"sleep"`
		} `yaml:"preStop"`
	} `yaml:"lifecycle"`
	Resources struct {
		Requests map[string]string `yaml:"requests"`
		Limits   map[string]string `yaml:"limits"`
	} `yaml:"resources"`
	SecurityContext struct {
		AllowPrivilegeEscalation *bool `yaml:"allowPrivilegeEscalation"`
		ReadOnlyRootFilesystem   bool  `yaml:"readOnlyRootFilesystem"`
		Capabilities             struct {
			Drop []string `yaml:"drop"`
		} `yaml:"capabilities"`
	} `yaml:"securityContext"`
	VolumeMounts []mount `yaml:"volumeMounts"`
}

type variable struct {
	Name      string  `yaml:"name"`
	Value     *string `yaml:"value"`
	ValueFrom struct {
		FieldRef struct {
			FieldPath string `yaml:"fieldPath"`
		} `yaml:"fieldRef"`
	} `yaml:"valueFrom"`
}

type probe struct {
	Exec struct {
		Command []string `yaml:"command"`
	} `yaml:"exec"`
	HTTPGet struct {
		Path string `yaml:"path"`
		Port string `yaml:"port"`
	} `yaml:"httpGet"`
	PeriodSeconds    int `yaml:"periodSeconds"`
	TimeoutSeconds   int `yaml:"timeoutSeconds"`
	FailureThreshold int `yaml:"failureThreshold"`
}

type mount struct {
	Name      string `yaml:"name"`
	MountPath string `yaml:"mountPath"`
	ReadOnly  bool   `yaml:"readOnly"`
}

func (c container) find(name string) *variable {
	for i := range c.Env {
		if c.Env[i].Name == name {
			return &c.Env[i]
		}
	}
	return nil
}

// env is a variable's value, or the field that it comes from.
func (c container) env(name string) string {
	v := c.find(name)
	switch {
	case v == nil:
		return ""
	case v.Value == nil:
		return v.ValueFrom.FieldRef.FieldPath
	}
	return *v.Value
}

// port is where a probe's named port listens.
func (c container) port(name string) string {
	for _, p := range c.Ports {
		if p.Name == name {
			return ":" + strconv.Itoa(p.ContainerPort)
		}
	}
	return "no port " + name
}

// settings loads the environment as schemagate would: what it does not know is an error here.
func (c container) settings(t *testing.T) *config.Config {
	t.Helper()
	environment := map[string]string{}
	for _, v := range c.Env {
		environment[v.Name] = c.env(v.Name)
	}
	return settings(t, c.Name, service{Environment: environment})
}

// checkMounts: every mount is read-only and of a secret that only its owner and group can read.
func (p podSpec) checkMounts(t *testing.T, c container) {
	t.Helper()
	for _, m := range c.VolumeMounts {
		if !m.ReadOnly || p.keyOf(m.MountPath+"/url") == "" {
			t.Errorf("%s: the mount %+v", c.Name, m)
		}
	}
	for _, name := range []string{"SCHEMAGATE_DATABASE_URL_FILE", "DATABASE_URL_FILE"} {
		path := c.env(name)
		if path != "" && !slices.ContainsFunc(c.VolumeMounts, func(m mount) bool { return filepath.Dir(path) == m.MountPath }) {
			t.Errorf("%s: nothing is mounted where %s points to", c.Name, name)
		}
	}
}

// keyOf is the secret's key that is mounted at the path, by whatever container.
func (p podSpec) keyOf(path string) string {
	for _, c := range slices.Concat(p.InitContainers, p.Containers) {
		for _, m := range c.VolumeMounts {
			for _, v := range p.Volumes {
				for _, item := range v.Secret.Items {
					if m.Name == v.Name && filepath.Join(m.MountPath, item.Path) == path && v.Secret.DefaultMode == 0o440 {
						return item.Key
					}
				}
			}
		}
	}
	return ""
}

// uses says whether a key of the secret comes into the pod.
func (p podSpec) uses(key string) bool {
	for _, v := range p.Volumes {
		for _, item := range v.Secret.Items {
			if item.Key == key {
				return true
			}
		}
	}
	return false
}

// binary builds schemagate once for all tests here.
func binary(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(built, "schemagate")
	cmd := exec.Command("go", "build", "-o", path, "../cmd/schemagate")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	return path, cmd.Run()
})

// built is where this run's binaries lie.
var built string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if built, err = os.MkdirTemp("", "schemagate-deploy-"); err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(built) }()
		return m.Run()
	}())
}

package docker

import (
	"debug/elf"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// built is what the engine says of an image.
type built struct {
	Architecture string
	RootFS       struct{ Layers []string }
	Config       struct {
		User            string
		Entrypoint, Cmd []string
		Healthcheck     struct{ Test []string }
	}
}

// buildFromNothing builds our image without any cache, the compiler's included.
func (w *tree) buildFromNothing(tag, arguments string) built {
	w.t.Helper()
	w.run("docker builder prune -f --filter type=exec.cachemount")
	w.run("docker build --no-cache " + arguments + " -t " + tag + " .")
	return w.inspect(tag)
}

func (w *tree) inspect(tag string) built {
	w.t.Helper()
	var images []built
	if err := json.Unmarshal([]byte(w.run("docker image inspect "+tag)), &images); err != nil {
		w.t.Fatal(err)
	}
	return images[0]
}

// binary takes the binary out of an image.
func (w *tree) binary(tag string) string {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "schemagate")
	w.run(fmt.Sprintf("c=$(docker create %s) && docker cp $c:/schemagate %s && docker rm $c", tag, path))
	return path
}

// TestImageIsReproducible builds twice from nothing, and once for another architecture.
func TestImageIsReproducible(t *testing.T) {
	w := newTree(t)
	w.after("docker image rm -f schemagate-test:a schemagate-test:b schemagate-test:arm64")
	a := w.buildFromNothing("schemagate-test:a", "")
	b := w.buildFromNothing("schemagate-test:b", "")
	if len(a.RootFS.Layers) != 1 || !slices.Equal(a.RootFS.Layers, b.RootFS.Layers) {
		t.Errorf("two builds have the layers %v and %v", a.RootFS.Layers, b.RootFS.Layers)
	}
	digest := func(tag string) string {
		sum, _, _ := strings.Cut(w.run("sha256sum "+w.binary(tag)), " ")
		return sum
	}
	da, db := digest("schemagate-test:a"), digest("schemagate-test:b")
	if da != db {
		t.Errorf("two builds have the binaries %s and %s", da, db)
	}
	t.Logf("layer %s, binary sha256:%s", a.RootFS.Layers[0], da)

	// Only the compiler's cache is kept: the standard library of arm64 is not in it.
	w.run("docker build --build-arg TARGETARCH=arm64 --platform linux/arm64 -t schemagate-test:arm64 .")
	if arch := w.inspect("schemagate-test:arm64").Architecture; arch != "arm64" {
		t.Errorf("the image says %s, want arm64", arch)
	}
	f, err := elf.Open(w.binary("schemagate-test:arm64"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if f.Machine != elf.EM_AARCH64 || f.Section(".interp") != nil || f.Section(".dynamic") != nil {
		t.Errorf("not a static arm64 binary: %v", f.FileHeader)
	}
}

// TestImage runs the image as the strictest platform would.
func TestImage(t *testing.T) {
	w := newTree(t)
	w.run("docker build -t schemagate .")
	image := w.inspect("schemagate")
	if c := image.Config; c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/schemagate"}) ||
		!slices.Equal(c.Healthcheck.Test, []string{"CMD", "/schemagate", "health", "startup"}) {
		t.Errorf("got %+v", c)
	}
	// What the engine itself puts into every container does not count.
	files := w.run(`c=$(docker create schemagate) && docker export $c | tar -t | grep -vE '/$|^(\.dockerenv|dev/console|etc/(hostname|hosts|mtab|resolv.conf))$'; docker rm $c >/dev/null`)
	if files != "etc/ssl/certs/ca-certificates.crt\nschemagate" {
		t.Errorf("the image has more than it needs:\n%s", files)
	}

	w.after("docker rm -fv image-db image-up; docker network rm image-net", "docker logs image-db", "docker logs image-up")
	w.run("docker network create image-net")
	w.run("docker run -d --name image-db --network image-net -e POSTGRES_USER=shop -e POSTGRES_PASSWORD=shop postgres:15")
	// As strict as a platform may be: another user than the image's, nothing to write to, no capability.
	const strict = "--network image-net --read-only --user 12345:12345 --cap-drop ALL --security-opt no-new-privileges " +
		"-e DATABASE_URL=postgres://shop:shop@image-db/shop -e SCHEMAGATE_MIGRATIONS=/migrations -v $PWD/examples/shop/migrations:/migrations:ro"
	if out := w.fails("docker run --rm " + strict + " -e SCHEMAGATE_MIGRATIONS=/nothing schemagate"); !strings.Contains(out, "/nothing") {
		t.Errorf("a wrong mount is not named:\n%s", out)
	}
	w.run("docker run --rm " + strict + " schemagate up")
	w.run("docker run -d --name image-up --health-interval 1s " + strict + " schemagate sidecar")
	until(t, "the container is healthy by the image's own HEALTHCHECK", func() bool {
		return w.ask("docker inspect -f '{{.State.Health.Status}}' image-up") == "healthy"
	})
	w.run("docker exec image-up /schemagate health")
	w.run("docker stop -t 30 image-up")
	if code := w.run("docker wait image-up"); code != "143" {
		t.Errorf("exit code %s after docker stop, want 143", code)
	}
}

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/schemagate/schemagate/test/servers"
)

// tool is a contestant: how it wants its files, and how it is run.
type tool struct {
	name string
	ours bool
	file func(i int, sql string) (name, text string)
	cmd  func(url, dir string) *exec.Cmd
	// fill is SQL that records all up to n as applied, where the tool has applied the first fifty: thousands take some of them many minutes.
	fill func(n int) string
}

// schemagate is our command.
func (b *bench) schemagate(url, set string, args ...string) *exec.Cmd {
	return b.variant("schemagate", url, set, args...)
}

// variant is our command of another build.
func (b *bench) variant(program, url, set string, args ...string) *exec.Cmd {
	cmd := exec.Command(b.program(program), args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SCHEMAGATE_DATABASE_URL=" + url, "SCHEMAGATE_MIGRATIONS=" + set,
		"SCHEMAGATE_HTTP_ADDR=off", "SCHEMAGATE_LOG_LEVEL=warn"}
	return cmd
}

// builds are this build, and the other one that it is held against, if there is one.
func (b *bench) builds() []tool {
	file := func(i int, sql string) (string, string) { return fmt.Sprintf("%06d_t.up.sql", i), sql }
	of := func(path string) func(url, dir string) *exec.Cmd {
		return func(url, dir string) *exec.Cmd {
			cmd := b.schemagate(url, dir, "up")
			cmd.Path, cmd.Args[0] = path, path
			return cmd
		}
	}
	builds := []tool{{"schemagate", true, file, of(b.program("schemagate")), nil}}
	if b.against != "" {
		builds = append(builds, tool{filepath.Base(b.against), true, file, of(b.against), nil})
	}
	return builds
}

// tools are ours, and every peer on PostgreSQL.
func (b *bench) tools() []tool {
	upAndDown := func(i int, sql string) (string, string) { return fmt.Sprintf("%06d_t.up.sql", i), sql }
	goose := func(i int, sql string) (string, string) { return fmt.Sprintf("%05d_t.sql", i), "-- +goose Up\n" + sql }
	peer := func(name string, args func(path, url, dir string) []string) func(url, dir string) *exec.Cmd {
		path := servers.Peer(b.scope, name)
		return func(url, dir string) *exec.Cmd { return exec.Command(path, args(path, url, dir)...) }
	}
	fillGoose := func(n int) string {
		return fmt.Sprintf("insert into goose_db_version (version_id, is_applied) select g, true from generate_series(51, %d) g", n)
	}
	if b.against != "" {
		return b.builds()
	}
	return append(b.builds(), []tool{
		{"golang-migrate", false, upAndDown, peer("migrate", func(_, url, dir string) []string { return []string{"-path", dir, "-database", url, "up"} }),
			func(n int) string { return fmt.Sprintf("update schema_migrations set version = %d", n) }},
		{"goose", false, goose, peer("goose", func(_, url, dir string) []string { return []string{"-dir", dir, "postgres", url, "up"} }), fillGoose},
		{"goose+lock", false, goose, peer("gooselock", func(_, url, dir string) []string { return []string{url, dir} }), fillGoose},
		{"tern", false, func(i int, sql string) (string, string) { return fmt.Sprintf("%05d_t.sql", i), sql },
			peer("tern", func(_, url, dir string) []string { return []string{"migrate", "-m", dir, "--conn-string", url} }),
			func(n int) string { return fmt.Sprintf("update schema_version set version = %d", n) }},
		{"dbmate", false, func(i int, sql string) (string, string) {
			return fmt.Sprintf("20240101%06d_t.sql", i), "-- migrate:up\n" + sql + "\n-- migrate:down\n"
		},
			peer("dbmate", func(_, url, dir string) []string { return []string{"--url", url, "--migrations-dir", dir, "migrate"} }),
			func(n int) string {
				return fmt.Sprintf("insert into schema_migrations select '20240101' || lpad(g::text, 6, '0') from generate_series(51, %d) g", n)
			}},
	}...)
}

// variants are our other builds, and other ways to give us the files.
func (b *bench) variants() []tool {
	file := func(i int, sql string) (string, string) { return fmt.Sprintf("%06d_t.up.sql", i), sql }
	packed := func(program string) func(url, dir string) *exec.Cmd {
		return func(url, dir string) *exec.Cmd {
			if _, err := os.Stat(dir + ".zip"); err != nil {
				b.once(b.variant("schemagate", url, dir, "pack", dir+".zip"))
			}
			return b.variant(program, url, dir+".zip", "up")
		}
	}
	return []tool{
		{"schemagate, lean", true, file, func(url, dir string) *exec.Cmd { return b.variant("lean", url, dir, "up") }, nil},
		{"schemagate, packed", true, file, packed("schemagate"), nil},
		{"schemagate, lean and packed", true, file, packed("lean"), nil},
	}
}

// set writes n migrations as the tool wants them; the folder is named after what they are.
func (b *bench) set(t tool, name string, n int, sql func(i int) string) string {
	files := map[string]string{}
	for i := 1; i <= n; i++ {
		file, text := t.file(i, sql(i))
		files[file] = text
	}
	return b.folder(name+"-"+t.name, files)
}

// small is a migration that does next to nothing.
func small(i int) string { return fmt.Sprintf("create table t%d (id int primary key, v text);\n", i) }

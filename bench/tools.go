package main

import (
	"fmt"
	"os"
	"os/exec"

	"github.com/schemagate/schemagate/test/servers"
)

// tool is a contestant: how it wants its files, and how it is run.
type tool struct {
	name string
	ours bool
	file func(i int, sql string) (name, text string)
	cmd  func(url, dir string) *exec.Cmd
	// force records n migrations as applied, for a tool that would take many minutes to apply thousands.
	force func(url, dir string, n int) *exec.Cmd
}

// schemagate is our command.
func (b *bench) schemagate(url, set string, args ...string) *exec.Cmd {
	cmd := exec.Command(b.program("schemagate"), args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "SCHEMAGATE_DATABASE_URL=" + url, "SCHEMAGATE_MIGRATIONS=" + set,
		"SCHEMAGATE_HTTP_ADDR=off", "SCHEMAGATE_LOG_LEVEL=warn"}
	return cmd
}

// tools are ours, and every peer on PostgreSQL.
func (b *bench) tools() []tool {
	upAndDown := func(i int, sql string) (string, string) { return fmt.Sprintf("%06d_t.up.sql", i), sql }
	goose := func(i int, sql string) (string, string) { return fmt.Sprintf("%05d_t.sql", i), "-- +goose Up\n" + sql }
	peer := func(name string, args func(path, url, dir string) []string) func(url, dir string) *exec.Cmd {
		path := servers.Peer(b.scope, name)
		return func(url, dir string) *exec.Cmd { return exec.Command(path, args(path, url, dir)...) }
	}
	return []tool{
		{"schemagate", true, upAndDown, func(url, dir string) *exec.Cmd { return b.schemagate(url, dir, "up") }, nil},
		{"golang-migrate", false, upAndDown, peer("migrate", func(_, url, dir string) []string { return []string{"-path", dir, "-database", url, "up"} }),
			func(url, dir string, n int) *exec.Cmd {
				return exec.Command(servers.Peer(b.scope, "migrate"), "-path", dir, "-database", url, "force", fmt.Sprint(n))
			}},
		{"goose", false, goose, peer("goose", func(_, url, dir string) []string { return []string{"-dir", dir, "postgres", url, "up"} }), nil},
		{"goose+lock", false, goose, peer("gooselock", func(_, url, dir string) []string { return []string{url, dir} }), nil},
		{"tern", false, func(i int, sql string) (string, string) { return fmt.Sprintf("%05d_t.sql", i), sql },
			peer("tern", func(_, url, dir string) []string { return []string{"migrate", "-m", dir, "--conn-string", url} }), nil},
		{"dbmate", false, func(i int, sql string) (string, string) {
			return fmt.Sprintf("20240101%06d_t.sql", i), "-- migrate:up\n" + sql + "\n-- migrate:down\n"
		},
			peer("dbmate", func(_, url, dir string) []string { return []string{"--url", url, "--migrations-dir", dir, "migrate"} }), nil},
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

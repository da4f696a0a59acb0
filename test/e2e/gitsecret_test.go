package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/secret/secrettest"
	"github.com/schemagate/schemagate/source/sourcetest"
	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// rdsSecret is what RDS writes into a secret; its password needs encoding.
func rdsSecret(engine, addr, user, password, database string) string {
	host, port, _ := net.SplitHostPort(addr)
	return fmt.Sprintf(`{"engine":%q,"host":%q,"port":%s,"username":%q,"password":%q,"dbname":%q}`, engine, host, port, user, password, database)
}

const (
	passwordOfApp   = `hunter2 @:/?#&+%ü`
	passwordOfToken = "hunter2hunter2"
	secretName      = "prod/app/database"
	columns         = "SELECT count(*) FROM information_schema.columns WHERE table_name = 'accounts'"
)

// origin is all that a container of examples/git-and-secret is handed: a repository, a key and a secret's name.
type origin struct {
	*stage
	repo *sourcetest.Repository
	aws  *secrettest.AWS
	sshd *sourcetest.SSHD
}

func newOrigin(t *testing.T) *origin {
	t.Helper()
	o := &origin{repo: sourcetest.New(t), aws: secrettest.NewAWS(t), sshd: sourcetest.Sshd(t)}
	o.repo.Write("db/migrations/0001_accounts.up.sql", "CREATE TABLE accounts (id int PRIMARY KEY);\n")
	o.repo.Write("db/migrations/0001_accounts.down.sql", "DROP TABLE accounts;\n")
	o.repo.Write("db/migrations/0002_email.up.sql", "ALTER TABLE accounts ADD COLUMN email varchar(100);\n")
	o.repo.Write("db/migrations/0002_email.down.sql", "ALTER TABLE accounts DROP COLUMN email;\n")
	o.stage = stageOn(t, "", nil).with(append(o.aws.Env(),
		"SCHEMAGATE_MIGRATIONS="+o.sshd.URL(o.repo.Dir)+"//db/migrations?ref=v1.4.0",
		"SCHEMAGATE_GIT_KEY_FILE="+o.sshd.Key, "SCHEMAGATE_GIT_KNOWN_HOSTS="+o.sshd.KnownHosts,
		"SCHEMAGATE_DATABASE_SECRET=aws-secretsmanager://"+secretName)...)
	o.asDocumented(t)
	return o
}

// asDocumented holds what the container is handed against the command of the example's page.
func (o *origin) asDocumented(t *testing.T) {
	t.Helper()
	page := contentsOf(t, "../../examples/git-and-secret/README.md")
	given := regexp.MustCompile(`(?m)^  -e (SCHEMAGATE_\w+)='?([^' ]+)`).FindAllStringSubmatch(page, -1)
	if len(given) != 4 || !strings.Contains(page, "\n  schemagate up\n") {
		t.Fatalf("the page's command has %d settings, or is another", len(given))
	}
	for _, m := range given {
		i := slices.IndexFunc(o.Env, func(e string) bool { return strings.HasPrefix(e, m[1]+"=") })
		if i < 0 {
			t.Errorf("the page sets %s, and the test does not", m[1])
			continue
		}
		// Hosts and files are of the test; scheme, folder, ref and name are the page's.
		_, have, _ := strings.Cut(o.Env[i], "=")
		for _, part := range []string{"git+ssh://", "//db/migrations?ref=v1.4.0", "aws-secretsmanager://prod/app/database"} {
			if strings.Contains(m[2], part) != strings.Contains(have, part) {
				t.Errorf("%s: %q is in one of %s and %s", m[1], part, m[2], have)
			}
		}
	}
}

// leaks fails the test when the text holds a secret, in any spelling.
func leaks(t *testing.T, where, text string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), strings.ReplaceAll(url.QueryEscape(s), "+", "%20")} {
			if strings.Contains(text, form) {
				t.Errorf("%s holds the secret %q", where, form)
			}
		}
	}
}

func contentsOf(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestGitAndSecret carries out examples/git-and-secret: the files by git over ssh at a tag, the credentials from a secrets
// manager, golang-migrate's files into the database; the history names the commit, and nothing shows a secret.
func TestGitAndSecret(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	commit := o.repo.Commit("schema")
	o.repo.Git("tag", "v1.4.0")
	o.repo.Write("db/migrations/0003_later.up.sql", "SELECT broken;")
	o.repo.Commit("not released")

	pg := servers.Postgres(t, servers.Password(passwordOfApp))
	o.aws.Put(secretName, rdsSecret("postgres", pg.Addr(), "postgres", passwordOfApp, "postgres"))
	key := strings.Split(contentsOf(t, o.sshd.Key), "\n")[1]
	secrets := []string{passwordOfApp, key, secrettest.SecretKey}

	addr := harness.FreePort(t)
	r := o.with("SCHEMAGATE_HTTP_ADDR="+addr, "SCHEMAGATE_LOG_LEVEL=debug").Start("run", "--", "sleep", "1000")
	r.Await(harness.Msg("gate open"))
	res, err := http.Get("http://" + addr + "/status")
	if err != nil {
		t.Fatal(err)
	}
	status, err := io.ReadAll(res.Body)
	if err != nil || res.Body.Close() != nil || !strings.Contains(string(status), `"open"`) {
		t.Errorf("status %s, %v", status, err)
	}
	leaks(t, "/status", string(status), secrets...)
	ps, err := exec.Command("ps", "axww", "-o", "args").Output()
	if err != nil {
		t.Fatal(err)
	}
	leaks(t, "the process list", string(ps), secrets...)
	leaks(t, "the log", r.String(), secrets...)

	history := o.Expect(0, "history", "--json").Out.Text()
	leaks(t, "the history", history, secrets...)
	if !strings.Contains(history, "commit "+commit) {
		t.Errorf("the history does not name %s: %s", commit, history)
	}
	if got := servers.Psql(t, pg.URL(), columns); strings.TrimSpace(got) != "2" {
		t.Errorf("columns: %s", got)
	}
}

// The same into MariaDB: the secret's engine decides.
func TestGitAndSecretIntoMariaDB(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	commit := o.repo.Commit("schema")
	o.repo.Git("tag", "v1.4.0")
	m := servers.MariaDB(t)
	m.Exec(t, "", "CREATE DATABASE app")
	m.Exec(t, "", "CREATE USER 'us@r'@'127.0.0.1' IDENTIFIED BY '"+passwordOfApp+"'")
	m.Exec(t, "", "GRANT ALL ON *.* TO 'us@r'@'127.0.0.1'")
	o.aws.Put(secretName, rdsSecret("mariadb", m.Addr(), "us@r", passwordOfApp, "app"))
	leaks(t, "the log", o.Up().String(), passwordOfApp)
	if h := o.Expect(0, "history", "--json").Out.Text(); !strings.Contains(h, "commit "+commit) {
		t.Errorf("the history does not name %s: %s", commit, h)
	}
	if got := m.Exec(t, "app", columns+" AND table_schema = 'app'"); strings.TrimSpace(got) != "2" {
		t.Errorf("columns: %s", got)
	}
}

// What is gone or refused is said, with exit 78; a manager that is not reached is waited for.
func TestGitAndSecretGoWrong(t *testing.T) {
	t.Parallel()
	o := newOrigin(t)
	o.repo.Commit("schema")
	o.aws.Put(secretName, "postgres://u:"+url.PathEscape(passwordOfApp)+"@127.0.0.1:1/d")
	r := o.Expect(78, "up") // no tag v1.4.0
	r.Says("SCHEMAGATE_MIGRATIONS", `ref "v1.4.0"`, "no tag and no branch")
	leaks(t, "the log", r.String(), passwordOfApp)
	// The host is the one that known_hosts names, with another server's key.
	_, key, _ := strings.Cut(contentsOf(t, sourcetest.Sshd(t).KnownHosts), " ")
	host, _, _ := strings.Cut(contentsOf(t, o.sshd.KnownHosts), " ")
	wrong := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(wrong, []byte(host+" "+key), 0o600); err != nil {
		t.Fatal(err)
	}
	o.with("SCHEMAGATE_GIT_KNOWN_HOSTS="+wrong).Expect(78, "up").Says("SCHEMAGATE_MIGRATIONS", "is not the one in known_hosts")
	o.with("SCHEMAGATE_GIT_KNOWN_HOSTS=/nonexistent").Expect(78, "up").Says("no known_hosts file", "ssh-keyscan")
	o.with("SCHEMAGATE_DATABASE_SECRET=aws-secretsmanager://prod/other").Expect(78, "up").Says("SCHEMAGATE_DATABASE_SECRET", "no such secret")
	o.aws.Put(secretName, `{"username":"u","password":"`+"hunter2"+`"}`)
	r = o.Expect(78, "up")
	r.Says("without engine, host, dbname", "SCHEMAGATE_DATABASE_SECRET_TEMPLATE")
	leaks(t, "the log", r.String(), "hunter2")

	url := "git+https://me:" + passwordOfToken + "@127.0.0.1:1/repo.git"
	s := bare(t)
	s.Expect(64, "validate", "--migrations", url).Says("--migrations holds a password")
	s.with("SCHEMAGATE_MIGRATIONS="+url).Expect(64, "new", "add email").Says("is no folder")
	r = s.with("SCHEMAGATE_MIGRATIONS="+url, "SCHEMAGATE_TIMEOUT=1s").Expect(69, "validate")
	r.Says("SCHEMAGATE_MIGRATIONS", "git+https://127.0.0.1:1/repo.git", "connection refused")
	leaks(t, "the error", r.String(), passwordOfToken)

	o.aws.Fail(503, "ServiceUnavailable")
	o.with("SCHEMAGATE_TIMEOUT=1s").Expect(69, "up").Says("not reached, trying again", "ServiceUnavailable")
	r = o.Start("up")
	r.Await(harness.Msg("not reached, trying again"))
	o.aws.Fail(0, "")
	r.Exits(78) // the secret's shape, once it is read
}

// A password that is rotated between reading the secret and using it is read again, once.
func TestSecretRotated(t *testing.T) {
	t.Parallel()
	pg := servers.Postgres(t, servers.Password(passwordOfApp))
	aws := secrettest.NewAWS(t)
	s := stageOn(t, "", numbered(1)).with(aws.Env()...).with("SCHEMAGATE_DATABASE_SECRET=aws-secretsmanager://" + secretName)
	aws.Put(secretName, rdsSecret("postgres", pg.Addr(), "postgres", "the-old-password", "postgres"))
	r := s.Expect(78, "up")
	r.Says("28P01")
	if n := aws.Reads(); n != 2 {
		t.Errorf("the secret was read %d times, want 2", n)
	}
	leaks(t, "the log", r.String(), "the-old-password")

	// The file is written anew while the replica waits for the database, with the old password in its hands.
	file := filepath.Join(t.TempDir(), "url")
	old := "postgres://postgres:the-old-password@" + pg.Addr() + "/postgres"
	if err := os.WriteFile(file, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	pg.Stop(servers.Fast)
	f := stageOn(t, "", numbered(1)).with("SCHEMAGATE_DATABASE_URL_FILE=" + file)
	r = f.Start("up")
	r.Await(harness.Msg("database not reached, waiting for it"))
	fresh := "postgres://postgres:" + strings.ReplaceAll(url.QueryEscape(passwordOfApp), "+", "%20") + "@" + pg.Addr() + "/postgres"
	if err := os.WriteFile(file, []byte(fresh), 0o600); err != nil {
		t.Fatal(err)
	}
	pg.Start()
	r.Exits(0)
	r.Says("the secret has changed since")
	leaks(t, "the log", r.String(), passwordOfApp, "the-old-password")
}

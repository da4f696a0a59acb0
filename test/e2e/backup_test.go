package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/schemagate/schemagate/test/harness"
	"github.com/schemagate/schemagate/test/servers"
)

// documented returns what a page sets a variable to, the n-th time, with the folder of the backups in place of /backups.
func documented(t *testing.T, page, variable string, n int, folder string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(page)))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^(?:ENV| )* *`+variable+`='?(.+?)'?( \\)?$`).FindAllStringSubmatch(string(text), -1)
	if len(found) <= n {
		t.Fatalf("%s sets %s %d times", page, variable, len(found))
	}
	return variable + "=" + strings.ReplaceAll(found[n][1], "/backups", folder)
}

// backups are what history --json tells of them.
func (s *stage) backups() (out []struct {
	Kind   string
	Note   string
	Backup *struct {
		Location string
		Verified bool
	}
}) {
	s.T.Helper()
	s.Expect(0, "history", "--kind", "backup", "--json").JSON(&out)
	return out
}

// The backup of the documentation, made by the real pg_dump, read by the real pg_restore; what it says stands in the history, and
// the backup is one.
func TestBackup(t *testing.T) {
	t.Parallel()
	for _, page := range []string{"docs/backups.md", "examples/backup/entrypoint.Dockerfile", "examples/backup/migrate.Dockerfile"} {
		t.Run(filepath.Base(page), func(t *testing.T) {
			folder := t.TempDir()
			s := newStage(t, numbered(1))
			s.Up()
			s.Write(numbered(2))
			s = s.with(documented(t, page, "SCHEMAGATE_BEFORE", 0, folder), documented(t, page, "SCHEMAGATE_BACKUP_VERIFY", 0, folder))
			s.Up()
			got := s.backups()
			if len(got) != 1 || got[0].Backup == nil || got[0].Backup.Location != filepath.Join(folder, "shop-2.dump") || !got[0].Backup.Verified {
				t.Fatalf("the history has %+v", got)
			}
			if out := s.Expect(0, "history").Out.Text(); !strings.Contains(out, "shop-2.dump (verified)") {
				t.Errorf("the history is\n%s", out)
			}
			restored := servers.SharedPostgres(t).NewDatabase(t)
			if out, err := exec.Command("pg_restore", "--no-owner", "-d", restored, got[0].Backup.Location).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if got := servers.Psql(t, restored, "select string_agg(version, ' ') from tally"); got != "0001" {
				t.Errorf("the backup holds %q, want what was there before", got)
			}
			s.Up() // nothing is pending, so nothing is backed up
			if n := len(s.backups()); n != 1 {
				t.Errorf("%d backups, want 1", n)
			}
		})
	}
}

// A backup that can't be read is none: nothing is migrated, and no gate opens.
func TestBackupThatCannotBeRead(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := newStage(t, numbered(1))
	s.Up()
	s.Psql("create table big as select i, md5(i::text) from generate_series(1, 20000) i")
	s.Write(numbered(2))
	verify := documented(t, "docs/backups.md", "SCHEMAGATE_BACKUP_VERIFY", 0, folder)
	dump := func(size string) string {
		return `SCHEMAGATE_BEFORE=f=` + folder + `/$SCHEMAGATE_TERM.dump; pg_dump -Fc -f "$f" "$DATABASE_URL" && truncate -s ` + size + ` "$f" && echo "schemagate: backup=$f"`
	}
	run, mark := s.marked()
	refused := func(s *stage, says ...string) {
		t.Helper()
		r := s.Expect(70, run...)
		r.Says(append(says, "SCHEMAGATE_BACKUP_VERIFY")...)
		if got := s.applied(); got != "0001" {
			t.Errorf("applied are %s", got)
		}
	}
	refused(s.with(dump("200"), verify), "run SCHEMAGATE_BACKUP_VERIFY: exit code 1: the backup "+folder+"/2.dump can't be read", "pg_restore: error")
	t.Log("an end that is missing")
	refused(s.with(dump("-1000"), verify), "pg_restore: error")
	refused(s.with(dump("-0"), "SCHEMAGATE_BACKUP_VERIFY=false"), "exit code 1")
	t.Log("a command that does not say where the backup lies")
	refused(s.with("SCHEMAGATE_BEFORE=echo done", verify), "schemagate: backup=LOCATION")
	if lines(mark) != 0 {
		t.Error("the app was started")
	}
	if n := len(s.backups()); n != 0 {
		t.Errorf("the history has %d backups", n)
	}
	if got := s.status(); got.Gate != "closed" || !strings.Contains(got.LastError, "SCHEMAGATE_BACKUP_VERIFY") {
		t.Errorf("the status is %+v", got)
	}
	s.with(dump("-0"), verify).Expect(0, run...)
	if got := s.backups(); len(got) != 1 || !got[0].Backup.Verified {
		t.Errorf("the history has %+v", got)
	}

	t.Log("without a verification it is said to have none")
	s.Write(numbered(3))
	s.with(dump("-0")).Up()
	if got := s.backups(); len(got) != 2 || got[1].Backup.Verified {
		t.Errorf("the history has %+v", got)
	}
}

// SQLite backs itself up.
func TestBackupOfSQLite(t *testing.T) {
	t.Parallel()
	folder, db := t.TempDir(), filepath.Join(t.TempDir(), "app.db")
	s := stageOn(t, "", harness.Files{"0001_a.up.sql": "CREATE TABLE a (n int);\nINSERT INTO a VALUES (1), (2);\n"}).
		with("SCHEMAGATE_DATABASE_URL=sqlite:"+db, documented(t, "docs/backups.md", "SCHEMAGATE_BEFORE", 1, folder))
	s.Up()
	s.Write(harness.Files{"0002_b.up.sql": "DROP TABLE a;\n"})
	s.Up()
	got := s.backups()
	if len(got) != 2 || got[1].Backup == nil || !got[1].Backup.Verified || filepath.Dir(got[1].Backup.Location) != folder {
		t.Fatalf("the history has %+v", got)
	}
	back := s.with("SCHEMAGATE_DATABASE_URL=sqlite:" + got[1].Backup.Location)
	if st := back.status(); strings.Join(st.Applied, " ") != "0001" || strings.Join(st.Pending, " ") != "0002" {
		t.Errorf("the backup is of %+v", st)
	}
	s.Write(harness.Files{"0003_c.up.sql": "CREATE TABLE c (n int);\n"})
	s.with("SCHEMAGATE_BEFORE=backup:"+filepath.Join(folder, "nowhere")).Expect(78, "up").Says("is no folder: create it", "SCHEMAGATE_BEFORE")
	newStage(t, numbered(1)).with("SCHEMAGATE_BEFORE=backup:"+folder).Expect(78, "up").Says("SCHEMAGATE_BEFORE: backup:", "is built in for SQLite only")
	if left, err := os.ReadDir(folder); err != nil || len(left) != 2 {
		t.Errorf("the folder holds %v, %v", left, err)
	}
}

// What drops something is backed up before, too: by the replica that contracts, and on the operator's word.
func TestBackupBeforeAContract(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	contract := harness.Files{"0002_drop.up.sql": "-- schemagate: phase=contract\ndrop table tally;\n"}
	for name, args := range map[string][]string{"by itself": {"run", "--", "sleep", "1000"}, "on the operator's word": {"up", "--contract"}} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, numbered(1)).with("SCHEMAGATE_RELEASE=v1", "SCHEMAGATE_LEASE_TTL=2s")
			app := s.Start("run", "--", "sleep", "1000")
			app.Await(harness.Msg("gate open"))
			app.Signal(syscall.SIGTERM)
			app.Exits(143)
			s.Write(contract)
			s = s.with("SCHEMAGATE_RELEASE=v2", documented(t, "docs/backups.md", "SCHEMAGATE_BEFORE", 0, folder), documented(t, "docs/backups.md", "SCHEMAGATE_BACKUP_VERIFY", 0, folder))
			r := s.Start(args...)
			r.Await(`"migration":"0002_drop"`)
			harness.Until(t, "it is contracted", func() bool { return s.applied() == "0001 0002" })
			if name == "by itself" {
				r.Signal(syscall.SIGTERM)
				r.Exits(143)
			} else {
				r.Exits(0)
			}
			got := s.backups()
			if len(got) != 1 || got[0].Backup == nil || !got[0].Backup.Verified {
				t.Fatalf("the history has %+v", got)
			}
			restored := servers.SharedPostgres(t).NewDatabase(t)
			if out, err := exec.Command("pg_restore", "--no-owner", "-d", restored, got[0].Backup.Location).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if got := servers.Psql(t, restored, "select string_agg(version, ' ') from tally"); got != "0001" {
				t.Errorf("the backup holds %q", got)
			}
		})
	}
}

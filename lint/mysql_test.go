package lint_test

import (
	"database/sql"
	"errors"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/schemagate/schemagate/lint"
	"github.com/schemagate/schemagate/migrations"
	"github.com/schemagate/schemagate/test/servers"
)

const mysqlBase = `CREATE TABLE customers (id BIGINT PRIMARY KEY, name VARCHAR(40)) ENGINE=InnoDB;
CREATE TABLE orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, customer_id BIGINT, quantity INT, note VARCHAR(50), code VARCHAR(100), channel_code INT) ENGINE=InnoDB DEFAULT CHARSET=latin1;
`

// mysqlCases are a statement each, and the rules that it breaks.
var mysqlCases = [][]string{
	{"ALTER TABLE orders MODIFY COLUMN note TEXT", "mysql-column-type"},
	{"ALTER TABLE orders MODIFY note VARCHAR(60), ADD COLUMN a INT NOT NULL DEFAULT 1"},
	{"ALTER TABLE orders MODIFY code VARCHAR(200) NULL"},
	{"ALTER TABLE `orders` CHANGE `note` `remark` VARCHAR(50)", "rename-column"},
	{"ALTER TABLE orders CHANGE note remark VARCHAR(20)", "mysql-column-type", "rename-column"},
	{"ALTER TABLE orders ADD INDEX i (note), ADD UNIQUE KEY k (code)"},
	{"CREATE INDEX i ON orders (note)"},
	{"ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id)", "mysql-foreign-key"},
	{"ALTER TABLE orders RENAME COLUMN note TO remark", "rename-column"},
	{"RENAME TABLE orders TO purchases, customers TO clients", "rename-table", "rename-table"},
	{"ALTER TABLE orders RENAME purchases", "rename-table"},
	{"ALTER TABLE orders DROP note, DROP PRIMARY KEY, MODIFY id BIGINT", "drop-column"},
	{"UPDATE orders SET quantity = 1 WHERE quantity IS NULL", "unbatched-update"},
	{"UPDATE orders SET quantity = 1 WHERE quantity IS NULL LIMIT 100"},
	{"CREATE TABLE t (id INT);\nALTER TABLE t MODIFY id BIGINT;\nDROP TABLE t"},
}

func TestMySQLCorpus(t *testing.T) {
	check := func(name string, files, want []string) {
		t.Helper()
		var got []string
		for _, f := range run(t, migrations.MySQL, load(t, migrations.MySQL, files...)).Findings {
			got = append(got, f.Rule)
			if f.Lock != "" || f.Rewrites || strings.Contains(f.Blocks, "ACCESS") {
				t.Errorf("%s: %s speaks of PostgreSQL's locks: %+v", name, f.Rule, f)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: found %q, want %q", name, got, want)
		}
	}
	for _, c := range mysqlCases {
		check(c[0], c[:1], c[1:])
	}
	for _, r := range lint.Rules() {
		if strings.HasPrefix(r.ID, "mysql-") {
			check(r.ID+" bad", []string{r.Bad}, []string{r.ID})
			check(r.ID+" good", r.Good, nil)
		}
	}
}

// TestOnMariaDB asks the server for what the rules of MySQL deny: to do it while others write. It does so for the good examples.
func TestOnMariaDB(t *testing.T) {
	server := servers.MariaDB(t)
	db, err := sql.Open("mysql", server.DSN(path.Base(server.NewDatabase(t))))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec := func(text string) error {
		statements, err := migrations.Statements(migrations.MySQL, "f.sql", text)
		for _, s := range statements {
			if err == nil {
				_, err = db.Exec(s.SQL)
			}
		}
		return err
	}
	const online = ", ALGORITHM=INPLACE, LOCK=NONE"
	for _, r := range lint.Rules() {
		if !strings.HasPrefix(r.ID, "mysql-") {
			continue
		}
		if err := exec("DROP TABLE IF EXISTS orders, customers;" + mysqlBase); err != nil {
			t.Fatal(err)
		}
		err := exec(strings.TrimSuffix(r.Bad, ";") + online)
		if me, ok := errors.AsType[*mysql.MySQLError](err); !ok || me.Number != 1845 && me.Number != 1846 {
			t.Errorf("%s: with LOCK=NONE the server says %v, want that it can't", r.ID, err)
		}
		for _, good := range append([]string{r.Bad}, r.Good...) {
			suffix := online
			if good == r.Bad {
				suffix = ""
			}
			if err := exec(strings.TrimSuffix(good, ";") + suffix); err != nil {
				t.Errorf("%s: %s: %v", r.ID, good, err)
			}
			if good == r.Bad {
				_ = exec("DROP TABLE IF EXISTS orders, customers;" + mysqlBase)
			}
		}
	}
}

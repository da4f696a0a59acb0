package mysql

import (
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"
)

func TestWhatCommitsByItself(t *testing.T) {
	for sql, data := range map[string]bool{
		"insert into t values (1)":                               true,
		"-- ALTER\n# DROP\n/* CREATE */ UPDATE t SET n = 1":      true,
		"/*!40101 SET NAMES utf8 */":                             true,
		"/*!40000 ALTER TABLE t DISABLE KEYS */":                 false,
		"/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ TRIGGER t": false,
		"/*M!100100 DROP TABLE t */":                             false,
		"(SELECT 1) UNION (SELECT 2)":                            true,
		"WITH x AS (SELECT 1) SELECT * FROM x":                   true,
		"CREATE TEMPORARY TABLE t (n int)":                       true,
		"CREATE OR REPLACE TEMPORARY TABLE t (n int)":            true,
		"CREATE TABLE temporary (n int)":                         true, // refused by the server in any case: the word is reserved
		"DROP TEMPORARY TABLE t":                                 true,
		"CREATE TABLE t (n int)":                                 false,
		"--x\nSELECT 1":                                          false,
		"CALL p()":                                               false,
		"EXECUTE s":                                              false,
		"SET @x = 1":                                             true,
		"SET PASSWORD = 'x'":                                     false,
		"SET STATEMENT max_statement_time = 1 FOR DROP TABLE t":  false,
		"LOAD DATA INFILE 'x' INTO TABLE t":                      true,
		"LOAD INDEX INTO CACHE t":                                false,
		"LOCK TABLES t WRITE":                                    false,
		"TRUNCATE t":                                             false,
	} {
		if got := isData(sql); got != data {
			t.Errorf("%s: data %v, want %v", sql, got, data)
		}
	}
}

func TestEffects(t *testing.T) {
	const s = "app"
	for sql, want := range map[string]effects{
		"ALTER TABLE `t` ADD (a int, b decimal(5,2), `c` int)":                    {facts: []string{column(s, "t", "a"), column(s, "t", "b"), column(s, "t", "c")}},
		"ALTER TABLE o.t ADD a enum('x,y', ')') COMMENT 'ADD b', DROP COLUMN c":   {facts: append([]string{column("o", "t", "a")}, not(column("o", "t", "c"))...)},
		"ALTER TABLE t ADD UNIQUE KEY i (a, b), ADD CONSTRAINT f FOREIGN KEY (a)": {facts: []string{index(s, "t", "i"), constraint(s, "t", "f")}},
		"ALTER TABLE t ADD UNIQUE (a)":                                            {},
		"ALTER TABLE t ADD COLUMN IF NOT EXISTS a int":                            {facts: []string{column(s, "t", "a")}, again: true},
		"ALTER TABLE t ADD COLUMN IF NOT EXISTS a int, DROP b":                    {facts: append([]string{column(s, "t", "a")}, not(column(s, "t", "b"))...)},
		"ALTER TABLE t DROP PRIMARY KEY, ADD PRIMARY KEY (b)":                     {facts: append(not(index(s, "t", "PRIMARY")), index(s, "t", "PRIMARY"))},
		"ALTER TABLE t CHANGE a b int, RENAME INDEX i TO j":                       {facts: append(append(not(column(s, "t", "a")), column(s, "t", "b")), append(not(index(s, "t", "i")), index(s, "t", "j"))...)},
		"ALTER TABLE t CHANGE a A bigint, MODIFY b int":                           {again: true},
		"ALTER TABLE t ADD a int, RENAME TO u":                                    {facts: append(not(table(s, "t")), table(s, "u"))},
		"ALTER TABLE t ENGINE = InnoDB":                                           {},
		"ALTER TABLE t ADD PARTITION (PARTITION p VALUES LESS THAN (1))":          {},
		"RENAME TABLE t TO old, new TO t":                                         {facts: append([]string{table(s, "old")}, not(table(s, "new"))...)},
		"RENAME TABLE a TO x, b TO a, x TO b":                                     {},
		"CREATE UNIQUE INDEX i USING BTREE ON o.t (a)":                            {facts: []string{index("o", "t", "i")}},
		"CREATE OR REPLACE VIEW v AS SELECT 1":                                    {again: true},
		"CREATE DEFINER=`a`@`%` PROCEDURE p() SELECT 1":                           {facts: []string{object("procedure", s, "p")}},
		"CREATE USER u":                  {},
		"DROP TABLE IF EXISTS t":         {again: true},
		"ANALYZE UPDATE t SET n = n + 1": {},
		"ANALYZE TABLE t":                {again: true},
	} {
		got := effectsOf(sql, s)
		if strings.Join(got.facts, "\n") != strings.Join(want.facts, "\n") || got.again != want.again {
			t.Errorf("%s:\n%+v, want\n%+v", sql, got, want)
		}
	}
}

func TestMessagesHoldNoData(t *testing.T) {
	for _, x := range []struct {
		number   uint16
		in, want string
	}{
		{1062, "Duplicate entry 'bob's@x' for key 'email'", "Duplicate entry for key 'email'"},
		{1366, "Incorrect integer value: 'secret' for column `a`.`t`.`n` at row 1", "Incorrect integer value: for column `a`.`t`.`n` at row 1"},
		{1292, "Truncated incorrect INTEGER value: 'secret'", "Truncated incorrect INTEGER value:"},
		{1690, "BIGINT UNSIGNED value is out of range in '(7 - 8)'", "BIGINT UNSIGNED value is out of range"},
		{1064, "You have an error in your SQL syntax; check the manual that corresponds to your MariaDB server version for the right syntax to use near 'a secret\n' at line 12",
			"You have an error in your SQL syntax"},
		{1050, "Table 't' already exists", "Table 't' already exists"},
	} {
		if got := message(&driver.MySQLError{Number: x.number, Message: x.in}); got != x.want {
			t.Errorf("%q, want %q", got, x.want)
		}
	}
}

// Command dbmate is dbmate without the drivers that no test needs, whose requirements are huge, and with two of its commands.
package main

import (
	"flag"
	"fmt"
	"net/url"
	"os"

	"github.com/amacneil/dbmate/v2/pkg/dbmate"
	_ "github.com/amacneil/dbmate/v2/pkg/driver/mysql"
	_ "github.com/amacneil/dbmate/v2/pkg/driver/postgres"
)

func main() {
	raw := flag.String("url", "", "the database")
	dir := flag.String("migrations-dir", "", "the folder")
	flag.Parse()
	if err := run(*raw, *dir, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(raw, dir, command string) error {
	u, err := url.Parse(raw)
	if err != nil {
		return err
	}
	db := dbmate.New(u)
	db.MigrationsDir, db.AutoDumpSchema = []string{dir}, false
	switch command {
	case "migrate":
		return db.Migrate()
	case "status":
		_, err := db.Status(false)
		return err
	}
	return fmt.Errorf("dbmate: migrate or status, not %q", command)
}

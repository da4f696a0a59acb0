// Command dbmate is dbmate without the drivers that no test needs, whose requirements are huge: dbmate up|pending URL FOLDER.
package main

import (
	"fmt"
	"net/url"
	"os"

	"github.com/amacneil/dbmate/v2/pkg/dbmate"
	_ "github.com/amacneil/dbmate/v2/pkg/driver/mysql"
	_ "github.com/amacneil/dbmate/v2/pkg/driver/postgres"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: dbmate up|pending URL FOLDER")
	}
	u, err := url.Parse(args[1])
	if err != nil {
		return err
	}
	db := dbmate.New(u)
	db.MigrationsDir, db.AutoDumpSchema = []string{args[2]}, false
	if args[0] == "up" {
		return db.Migrate()
	}
	pending, err := db.Status(true)
	if err == nil {
		fmt.Println("Pending:", pending)
	}
	return err
}

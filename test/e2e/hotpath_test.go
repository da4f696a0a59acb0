package e2e

import (
	"regexp"
	"strings"
	"testing"

	"github.com/schemagate/schemagate/test/servers"
)

var (
	connected = regexp.MustCompile(`(?m)LOG:  connection received: `)
	statement = regexp.MustCompile(`(?m)LOG:  (?:statement|execute [^:]*): (.*(?:\n\t.*)*)`)
	ddl       = regexp.MustCompile(`(?i)^\s*(create|alter|drop|insert|update|delete|lock|begin|truncate)\b`)
)

// A start with nothing to do costs one connection and one query.
func TestStartWithNothingToDo(t *testing.T) {
	pg := servers.Postgres(t, servers.Setting("log_statement", "all"), servers.Setting("log_connections", "on"),
		servers.Setting("log_parameter_max_length", "0"))
	for name, query := range map[string]string{"plain": "?sslmode=disable", "TLS preferred, as by default": ""} {
		t.Run(name, func(t *testing.T) {
			s := stageOn(t, pg.NewDatabase(t), numbered(3))
			base, _, _ := strings.Cut(s.URL, "?")
			s.URL = base + query
			s.Up()
			s.appliedOnce(3)
			before := len(pg.Log())
			for _, args := range [][]string{{"up"}, {"wait"}, {"run", "--", "true"}} {
				s.Expect(0, args...)
				log := pg.Log()[before:]
				before += len(log)
				if n := len(connected.FindAllString(log, -1)); n != 1 {
					t.Errorf("%s made %d connections, want 1:\n%s", args[0], n, log)
				}
				ran := statement.FindAllStringSubmatch(log, -1)
				if len(ran) != 1 {
					t.Errorf("%s ran %d statements, want 1:\n%s", args[0], len(ran), log)
				}
				for _, m := range ran {
					if ddl.MatchString(m[1]) {
						t.Errorf("%s ran %q", args[0], m[1])
					}
				}
			}
		})
	}
}

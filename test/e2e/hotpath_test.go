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
	registry  = regexp.MustCompile(`^(?:insert into|delete from) \S*schemagate_replicas `)
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
				connections := 1
				if args[0] == "run" {
					connections = 2 // the other one when the app has ended
				}
				if n := len(connected.FindAllString(log, -1)); n != connections {
					t.Errorf("%s made %d connections, want %d:\n%s", args[0], n, connections, log)
				}
				ran := statement.FindAllStringSubmatch(log, -1)
				asked := 0
				for _, m := range ran {
					switch {
					case args[0] == "run" && registry.MatchString(m[1]): // it says that it is there, and that it goes
					case ddl.MatchString(m[1]):
						t.Errorf("%s ran %q", args[0], m[1])
					default:
						asked++
					}
				}
				if asked != 1 {
					t.Errorf("%s asked %d questions, want 1:\n%s", args[0], asked, log)
				}
			}
		})
	}
}

// Command schemagate lets one replica migrate the database while the others wait, and opens the gate for all of them when the
// schema is the one that they were built for. This package wires; what it joins knows nothing of each other.
package main

import (
	"os"

	"github.com/schemagate/schemagate/process"
)

func main() {
	process.GuardMain()
	os.Exit(execute(os.Args[1:], os.Environ()))
}

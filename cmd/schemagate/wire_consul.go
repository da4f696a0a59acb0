//go:build !no_consul

package main

import (
	"github.com/schemagate/schemagate/config"
	"github.com/schemagate/schemagate/election"
	"github.com/schemagate/schemagate/election/consul"
)

func init() {
	openConsul = func(cfg *config.Config, db target, t election.Timing) (election.Elector, error) {
		return consul.Open(cfg.Election, consul.Options{Service: cfg.Service, Timing: t, Leases: db})
	}
}

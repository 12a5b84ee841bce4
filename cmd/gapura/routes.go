package main

import (
	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/route"
)

// routesOf returns the table of the configured domains.
func routesOf(cfg *config.Config) (*route.Table, error) {
	var keys []string
	for _, d := range cfg.Domains {
		keys = append(keys, d.Name)
	}
	return route.NewTable(keys)
}

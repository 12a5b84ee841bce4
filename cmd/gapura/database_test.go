package main

import (
	"io/fs"
	"syscall"
	"testing"

	"github.com/gapura-mail/gapura/config"
)

// An ordinary user who tries a configuration of /var/lib is told what to do.
func TestDataFolderThatMayNotBeMade(t *testing.T) {
	t.Parallel()
	cfg, err := config.Parse("gapura.yaml", []byte("hostname: mx.example.org\ndata: /var/lib/gapura\ndomains: {example.org: {deliver: mailbox}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	err = dataError(cfg, &fs.PathError{Op: "mkdir", Path: cfg.Data, Err: syscall.EACCES})
	const want = "gapura.yaml:2:7: mkdir /var/lib/gapura: permission denied " +
		"(make it and give it to the user that the gateway runs as: sudo install -d -m 0700 -o gapura /var/lib/gapura)"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if err := dataError(cfg, nil); err != nil {
		t.Error(err)
	}
}

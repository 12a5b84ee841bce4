//go:build deps

// What is about to be used, so that go.mod keeps it.
package main

import (
	_ "github.com/emersion/go-message"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/minio/minio-go/v7"
	_ "modernc.org/sqlite"
)

//go:build !linux

package blob

import "os"

const (
	aioFsync = iota
	aioFdatasync
)

// aio is Linux'.
type aio struct{}

func (*aio) sync(*os.File, uint16) (tried bool, err error) { return false, nil }

func (*aio) close() {}

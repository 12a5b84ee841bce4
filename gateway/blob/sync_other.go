//go:build !linux

package blob

import "os"

func (osFS) Journals(string) bool { return false }

func fdatasync(f *os.File) error { return f.Sync() }

//go:build !linux

package antivirus

import (
	"errors"
	"net"
	"os"
)

// newFile fails: messages are streamed.
func newFile() (*os.File, error) { return nil, errors.ErrUnsupported }

func sendFile(*net.UnixConn, *os.File) error { return errors.ErrUnsupported }

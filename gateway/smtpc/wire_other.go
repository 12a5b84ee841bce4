//go:build !unix

package smtpc

import (
	"errors"
	"io"
	"net"
)

func isReset(err error) bool {
	var op *net.OpError
	return errors.Is(err, io.ErrClosedPipe) || errors.As(err, &op) && !op.Timeout()
}

type peeker struct{ raw any } // never set

func (*peeker) init(net.Conn) {}

func (*peeker) quiet() bool { return false }

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

type peeker struct{}

func (*peeker) init(net.Conn) {}

func (*peeker) quiet(conn net.Conn) bool { return quietByDeadline(conn) }

package smtpc

import (
	"context"
	"net"
)

// New is Dial over a connection that exists; name is the server's name for
// TLS.
func New(ctx context.Context, conn net.Conn, name string, opt Options) (*Client, error) {
	return newClient(ctx, conn, name, opt.withDefaults())
}

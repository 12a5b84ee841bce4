package sdk

import (
	"context"
	"errors"
	"os"
	"runtime/debug"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/plugins/wire"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// Serve serves f to the gateway that started this program, until the gateway
// ends it. A program that was started by hand prints what it is and exits.
func Serve(f gateway.Filter) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: wire.Handshake,
		Plugins:         plugin.PluginSet{wire.Service: service{s: &server{filter: f}}},
		GRPCServer:      newServer,
		Logger: hclog.New(&hclog.LoggerOptions{
			Level: hclog.Warn, Output: os.Stderr, JSONFormat: true,
		}),
	})
}

func newServer(opts []grpc.ServerOption) *grpc.Server {
	return grpc.NewServer(append(opts,
		grpc.MaxRecvMsgSize(wire.MaxRequest),
		grpc.MaxSendMsgSize(wire.MaxResponse),
		grpc.MaxConcurrentStreams(wire.MaxStreams),
		grpc.InitialWindowSize(wire.Window),
		grpc.InitialConnWindowSize(16*wire.Window),
	)...)
}

// service registers the filter with go-plugin.
type service struct {
	plugin.NetRPCUnsupportedPlugin
	s wire.FilterServer
}

// GRPCServer implements plugin.GRPCPlugin.
func (p service) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	wire.RegisterFilterServer(s, p.s)
	return nil
}

// GRPCClient implements plugin.GRPCPlugin; only the host has a client.
func (service) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("sdk: not a host")
}

// version is that of the plugin's main module.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

package plugins

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gapura-mail/gapura/plugins/wire"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
)

const (
	maxStrikes = 3                      // answers in a row that were overdue or lies
	patience   = 200 * time.Millisecond // a call given up sooner says nothing about the plugin
	grace      = 2 * time.Second        // to end by itself
	maxTemp    = 43                     // octets of a folder below which a socket's path fits into 107
	maxHeaders = 64 << 10               // octets of gRPC header and trailer fields
)

// errNoBroker keeps go-plugin's broker from running: we do not use it, and what
// a plugin may make it remember has no bound.
var errNoBroker = errors.New("plugins: no broker")

// instance is one run of a plugin's process.
type instance struct {
	proc    *process
	client  *plugin.Client
	rpc     wire.FilterClient
	health  grpc_health_v1.HealthClient
	desc    *description
	exe     *os.File // the verified copy, until it runs
	dir     string   // folder of the socket and temporary files
	started time.Time
	took    time.Duration // to start

	mu    sync.Mutex
	conns []*grpc.ClientConn // every one that go-plugin made

	strikes atomic.Int32
	tripped chan string // why it is to be restarted
}

// launch starts a process and asks it what it is. It gives up when ctx ends.
func launch(ctx context.Context, opt Options, out *output) (_ *instance, err error) {
	dir, err := os.MkdirTemp(tempDir(), "gapura-plugin-")
	if err != nil {
		return nil, err
	}
	i := &instance{dir: dir, tripped: make(chan string, 1), started: time.Now()}
	i.proc = newProcess("", opt.Limits)
	defer context.AfterFunc(ctx, i.proc.kill)()
	if err = i.start(opt, out); err == nil {
		err = i.describe(ctx, opt)
	}
	if err != nil {
		i.stop()
		return nil, i.startError(ctx, err)
	}
	i.took = time.Since(i.started)
	return i, nil
}

// tempDir is where sockets go. Their paths are short, or they do not work.
func tempDir() string {
	if dir := os.TempDir(); len(dir) <= maxTemp {
		return dir
	}
	return "/tmp"
}

func (i *instance) describe(ctx context.Context, opt Options) error {
	ctx, cancel := context.WithTimeout(ctx, opt.StartTimeout)
	defer cancel()
	d, err := i.rpc.Describe(ctx, &wire.DescribeRequest{})
	if err != nil {
		return fmt.Errorf("it does not say what it is: %w", callError(ctx, err))
	}
	i.desc, err = newDescription(opt.Name, d)
	return err
}

// startError says in short why a start, that was stopped, has failed.
func (i *instance) startError(ctx context.Context, err error) error {
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(i.proc.err, &exit) && exit.ExitCode() >= 0: // not killed
		return fmt.Errorf("it ended at once: %w", exit)
	}
	return errors.New(clean(err.Error()))
}

// start runs the process and connects to it.
func (i *instance) start(opt Options, out *output) error {
	cmd, err := i.command(opt)
	if err != nil {
		return err
	}
	i.client = plugin.NewClient(i.config(opt, cmd, out))
	protocol, err := i.client.Client()
	if i.exe != nil {
		i.exe.Close()
	}
	if err != nil {
		return err
	}
	conn, err := protocol.Dispense(wire.Service)
	if err != nil {
		return err
	}
	i.rpc = wire.NewFilterClient(conn.(*grpc.ClientConn))
	i.health = grpc_health_v1.NewHealthClient(conn.(*grpc.ClientConn))
	return nil
}

// command is what is run: the path, or the verified copy of what lies there.
func (i *instance) command(opt Options) (*exec.Cmd, error) {
	path, err := opt.program()
	if err != nil {
		return nil, err
	}
	cmd := &exec.Cmd{Path: path, Args: opt.Command, Dir: opt.Dir, Env: opt.environ(i.dir)}
	sum, err := opt.sum()
	if err != nil || sum == nil {
		return cmd, err
	}
	if i.exe, err = verified(path, sum); err != nil {
		return nil, err
	}
	cmd.ExtraFiles = []*os.File{i.exe}
	cmd.Path = "/proc/self/fd/3" // the first of ExtraFiles
	return cmd, nil
}

func (i *instance) config(opt Options, cmd *exec.Cmd, out *output) *plugin.ClientConfig {
	return &plugin.ClientConfig{
		HandshakeConfig:  wire.Handshake,
		Plugins:          plugin.PluginSet{wire.Service: dialed{}},
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		SkipHostEnv:      true,
		StartTimeout:     opt.StartTimeout,
		Logger:           out.hclog(),
		SyncStdout:       out.writer(),
		SyncStderr:       out.writer(),
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: i.dir},
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, dir string) (runner.Runner, error) {
			cmd.Env = append(cmd.Env, spec.Env...) // last, so that Env of the options cannot change it
			i.proc.cmd, i.proc.dir = cmd, filepath.Clean(dir)
			return i.proc, nil
		},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(
				grpc.MaxCallRecvMsgSize(wire.MaxResponse),
				grpc.MaxCallSendMsgSize(wire.MaxRequest),
			),
			grpc.WithMaxHeaderListSize(maxHeaders),
			grpc.WithInitialWindowSize(wire.Window),
			grpc.WithInitialConnWindowSize(16 * wire.Window),
			grpc.WithNoProxy(),
			grpc.WithDisableServiceConfig(),
			grpc.WithDisableRetry(),
			grpc.WithStreamInterceptor(i.intercept),
		},
	}
}

// intercept refuses go-plugin's broker, and remembers connections: go-plugin
// forgets its own when the plugin dies at the wrong moment.
func (i *instance) intercept(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if method == "/plugin.GRPCBroker/StartStream" {
		return nil, errNoBroker
	}
	if method == "/plugin.GRPCStdio/StreamStdio" {
		i.mu.Lock()
		i.conns = append(i.conns, cc)
		i.mu.Unlock()
	}
	return next(ctx, desc, cc, method, opts...)
}

// dialed hands out the connection that go-plugin made.
type dialed struct{ plugin.NetRPCUnsupportedPlugin }

// GRPCServer implements plugin.GRPCPlugin; only a plugin has a server.
func (dialed) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error {
	return errors.New("plugins: not a plugin")
}

// GRPCClient implements plugin.GRPCPlugin.
func (dialed) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

// stop ends the process group, with force after a grace period (go-plugin
// alone would wait for a hung one for ever), and frees everything.
func (i *instance) stop() {
	if i.exe != nil {
		i.exe.Close()
	}
	if i.client != nil {
		t := time.AfterFunc(grace, i.proc.kill)
		i.client.Kill()
		t.Stop()
		if i.proc.ID() != "" {
			i.proc.kill()
			<-i.proc.done
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, c := range i.conns {
		_ = c.Close()
	}
	_ = os.RemoveAll(i.dir)
}

// strike counts an answer that was overdue or a lie; good ones forgive.
func (i *instance) strike(why string) {
	if i.strikes.Add(1) < maxStrikes {
		return
	}
	select {
	case i.tripped <- why:
	default:
	}
}

func (i *instance) forgive() {
	if i.strikes.Load() != 0 {
		i.strikes.Store(0)
	}
}

// alive asks go-plugin's health service, which every plugin has.
func (i *instance) alive(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	_, err := i.health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	if err != nil {
		return callError(ctx, err)
	}
	return nil
}

package plugins

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	pluginOutput = "output" // name of the logger that go-plugin gives the plugin's own lines
	maxLogLine   = 2048     // octets of a line that are logged
	logBurst     = 200      // lines that may come at once
	logPerSecond = 20       // lines a second after that
)

// output takes what a plugin writes: go-plugin's hclog (the plugin's standard
// error, and go-plugin's own words) and the standard output that comes by
// gRPC. A plugin that floods it is cut short.
type output struct {
	log *slog.Logger

	mu      sync.Mutex
	tokens  float64
	last    time.Time
	dropped int
}

func newOutput(log *slog.Logger) *output {
	return &output{log: log, tokens: logBurst, last: time.Now()}
}

// hclog returns a logger for go-plugin that ends here.
func (o *output) hclog() hclog.Logger {
	l := hclog.NewInterceptLogger(&hclog.LoggerOptions{Output: io.Discard, Level: hclog.Debug})
	l.RegisterSink(o)
	return l
}

// Accept implements hclog.SinkAdapter.
func (o *output) Accept(name string, level hclog.Level, msg string, args ...any) {
	if name != pluginOutput { // go-plugin's own words
		o.log.Debug("plugin host: "+msg, args...)
		return
	}
	l := slog.LevelInfo // a plain line comes as debug
	switch level {
	case hclog.Warn:
		l = slog.LevelWarn
	case hclog.Error:
		l = slog.LevelError
	}
	o.line(l, msg)
}

func (o *output) line(level slog.Level, line string) {
	line = strings.ToValidUTF8(line[:min(len(line), maxLogLine)], "\uFFFD")
	ok, dropped := o.allow()
	if dropped > 0 {
		o.log.Warn("lines of the plugin were dropped: it writes too many", "lines", dropped)
	}
	if ok {
		o.log.Log(context.Background(), level, "plugin says", "line", line)
	}
}

// allow tells whether a line may be logged, and how many were dropped before
// it.
func (o *output) allow() (ok bool, dropped int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	o.tokens = min(logBurst, o.tokens+now.Sub(o.last).Seconds()*logPerSecond)
	o.last = now
	if o.tokens < 1 {
		o.dropped++
		return false, 0
	}
	o.tokens--
	dropped, o.dropped = o.dropped, 0
	return true, dropped
}

// writer returns a stream of lines. It is used by one goroutine.
func (o *output) writer() io.Writer { return &lines{o: o} }

// lines cuts a stream into lines, long ones into pieces.
type lines struct {
	o   *output
	buf []byte
}

// Write implements io.Writer.
func (w *lines) Write(p []byte) (int, error) {
	n := len(p)
	for {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			break
		}
		w.o.line(slog.LevelInfo, string(append(w.buf, p[:i]...)))
		w.buf, p = w.buf[:0], p[i+1:]
	}
	w.buf = append(w.buf, p...)
	if len(w.buf) >= maxLogLine {
		w.o.line(slog.LevelInfo, string(w.buf))
		w.buf = w.buf[:0]
	}
	return n, nil
}

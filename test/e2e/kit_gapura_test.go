package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// gapura is the binary, serving.
type gapura struct {
	*process
	t    testing.TB
	dir  string // configuration, state
	file string // gapura.yaml

	smtp    string // addresses; see listenersYAML
	xclient string
	proxied string
	lmtp    string // path of a socket
	http    string
}

// name of the gateway in the tests.
const gapuraName = "mx.gapura.test"

// listenersYAML: one listener for everybody, one for clients that tell another
// address by XCLIENT, one by PROXY.
const listenersYAML = `hostname: ` + gapuraName + `
data: data
tls: {mode: files, certificate: gapura.pem, key: gapura.key, check_every: 10ms}
limits: {connections_per_ip: 500}
listeners:
  - {protocol: smtp, address: "127.0.0.1:0"}
  - {protocol: smtp, address: "127.0.0.3:0", xclient: [127.0.0.0/8]}
  - {protocol: smtp, address: "127.0.0.4:0", proxy_protocol: [127.0.0.0/8]}
  - {protocol: lmtp, address: "unix:%s/lmtp"}
  - {protocol: http, address: "127.0.0.1:0"}
`

// fullYAML are the world's filters, all of them, and its domains.
func (w *world) fullYAML() string {
	return fmt.Sprintf(`dns: {resolvers: [%q]}
filters:
  - dnsbl: {zones: [{zone: bl.test, score: 5}], private: true}
  - spf: {}
  - dkim: {}
  - arc: {trusted: [list.test]}
  - dmarc: {}
  - headers: {}
  - attachment: {}
  - antivirus: {clamd: %q, timeout: 30s}
domains:
  dest.test: {deliver: proxy, backends: ["lmtp://%s"]}
  second.test: {deliver: proxy, backends: ["smtp://%s"]}
`, w.dns.addr, w.clamd.addr, w.dest.addr, w.second.addr)
}

// serve starts gapura with the usual listeners and the rest of a
// configuration.
func serve(t testing.TB, rest string) *gapura {
	t.Helper()
	dir := folder(t)
	return serveIn(t, dir, fmt.Sprintf(listenersYAML, dir)+rest)
}

// serveIn starts gapura in dir with this configuration.
func serveIn(t testing.TB, dir, config string, env ...string) *gapura {
	t.Helper()
	if err := authorityFiles(dir, "gapura", gapuraName); err != nil {
		t.Fatal(err)
	}
	g := &gapura{t: t, dir: dir, file: filepath.Join(dir, "gapura.yaml")}
	g.configure(config)
	g.start(env...)
	return g
}

func (g *gapura) configure(config string) {
	g.t.Helper()
	if err := os.WriteFile(g.file, []byte(config), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

// config returns the configuration as it is in its file.
func (g *gapura) config() string {
	b, err := os.ReadFile(g.file)
	if err != nil {
		g.t.Fatal(err)
	}
	return string(b)
}

// start starts the binary, for the first time or again, and waits until it
// serves.
func (g *gapura) start(env ...string) {
	g.t.Helper()
	cmd := exec.Command(program, "-c", g.file, "serve")
	cmd.Env = append(os.Environ(), env...)
	p, err := start("gapura", cmd)
	if err != nil {
		g.t.Fatal(err)
	}
	p.showOnFailure(g.t)
	g.t.Cleanup(p.stop)
	g.process = p
	if err := p.await("ready", func(s string) bool { return strings.Contains(s, `"msg":"ready"`) }); err != nil {
		g.t.Fatal(err)
	}
	g.smtp, g.xclient, g.proxied = g.listener("smtp", "127.0.0.1:"), g.listener("smtp", "127.0.0.3:"), g.listener("smtp", "127.0.0.4:")
	g.lmtp, g.http = g.listener("lmtp", ""), g.listener("http", "")
}

// logLine is what tests read of a line of the log.
type logLine struct {
	Msg, Protocol, Address, Reply, ID, Error string
}

// lines returns the log's lines with this message.
func (g *gapura) lines(msg string) (found []logLine) {
	for _, s := range strings.Split(g.log.since(0), "\n") {
		var l logLine
		if json.Unmarshal([]byte(s), &l) == nil && l.Msg == msg {
			found = append(found, l)
		}
	}
	return found
}

// listener returns the address of the newest listener of a protocol whose
// address begins so.
func (g *gapura) listener(protocol, prefix string) (addr string) {
	for _, l := range g.lines("listening") {
		if l.Protocol == protocol && strings.HasPrefix(l.Address, prefix) {
			addr = l.Address
		}
	}
	return addr
}

// get asks the HTTP listener.
func (g *gapura) get(path string) (int, string) {
	g.t.Helper()
	resp, err := http.Get("http://" + g.http + path)
	if err != nil {
		g.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// metric returns the sum of a metric over its labels that match; there must be
// such a metric.
func (g *gapura) metric(name, labels string) (sum float64) {
	g.t.Helper()
	_, text := g.get("/metrics")
	re := regexp.MustCompile(`(?m)^` + name + `(?:\{[^}\n]*\})? (\S+)$`)
	all := re.FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		g.t.Errorf("no metric %s", name)
	}
	for _, m := range all {
		if !strings.Contains(m[0], labels) {
			continue
		}
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			g.t.Fatal(err)
		}
		sum += v
	}
	return sum
}

// run runs a command of the binary on the same configuration.
func (g *gapura) run(args ...string) (string, error) {
	out, err := exec.Command(program, append([]string{"-c", g.file}, args...)...).CombinedOutput()
	return string(out), err
}

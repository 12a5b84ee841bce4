package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/inbound"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// taker is a backend that takes everything and reads it.
type taker struct{}

func (taker) Verify(context.Context, smtp.ReversePath, smtp.MailParams, smtp.ForwardPath, smtp.RcptParams) (smtp.Reply, error) {
	return smtp.NewReply(250, smtp.EnhancedCode{2, 1, 5}, "Ok"), nil
}
func (taker) Delivery() gateway.Delivery { return taker{} }
func (taker) Abort()                     {}
func (taker) Commit(_ context.Context, c *gateway.Copy) ([]smtp.Reply, error) {
	r := c.Open()
	defer r.Close()
	_, err := r.(io.WriterTo).WriteTo(io.Discard)
	return []smtp.Reply{smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "Ok")}, err
}

const benchFull = `hostname: mx.test
domains: {example.org: {deliver: proxy, backends: ["smtp://127.0.0.1:1"]}}
filters:
  - dnsbl: {zones: [{zone: a.bl.test, score: 5}, {zone: b.bl.test, score: 5}, {zone: c.bl.test, score: 5}]}
  - spf: {}
  - dkim: {}
  - arc: {}
  - dmarc: {}
  - headers: {}
  - attachment: {}
`

// BenchmarkTransaction is what one message costs from EHLO to the hand-over,
// without the wire: filters, policy, bodies, copies.
func BenchmarkTransaction(b *testing.B) {
	none, _, _ := strings.Cut(benchFull, "filters:")
	for _, c := range []struct {
		name, config string
		size         int
	}{{"none/4KiB", none, 4 << 10}, {"full/4KiB", benchFull, 4 << 10}, {"full/50KiB", benchFull, 50 << 10}, {"full/1MiB", benchFull, 1 << 20}} {
		b.Run(c.name, func(b *testing.B) { benchTransaction(b, c.config, c.size) })
	}
}

func benchTransaction(b *testing.B, text string, size int) {
	cfg, err := config.Parse("bench.yaml", []byte(text))
	if err != nil {
		b.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	zone, err := dns.ParseZone("zone.yaml", fmt.Appendf(nil, `
sender.test: [{TXT: "v=spf1 ip4:192.0.2.9 -all"}, {MX: [10, client.sender.test]}]
client.sender.test: [{A: 192.0.2.9}]
9.2.0.192.in-addr.arpa: [{PTR: client.sender.test}]
s._domainkey.sender.test: [{TXT: "v=DKIM1; p=%s"}]
_dmarc.sender.test: [{TXT: "v=DMARC1; p=reject"}]
bl.test: [{A: 127.0.0.1}]
`, base64.StdEncoding.EncodeToString(must(x509.MarshalPKIXPublicKey(&key.PublicKey)))))
	if err != nil {
		b.Fatal(err)
	}
	cache := dns.NewCache(zone, dns.CacheOptions{})
	b.Cleanup(cache.Close)
	bodies := body.Options{Dir: b.TempDir(), Budget: body.NewBudget(1<<30, 1<<30)}
	s := &server{log: slog.New(slog.NewJSONHandler(io.Discard, nil))}
	j, err := newJudge(cfg, cache, bodies, s)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(j.close)
	routes, err := routesOf(cfg)
	if err != nil {
		b.Fatal(err)
	}
	h := inbound.New(inbound.Options{
		Hostname: "mx.test", Body: bodies, Pipeline: j.pipeline, Routes: routes,
		Backends: map[string]inbound.Backend{"example.org": taker{}}, Log: s.log,
	})
	msg := signedMessage(b, key, size)
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	defer debug.SetGCPercent(debug.SetGCPercent(gcPercent)) // as serve does
	began := cpuTime()
	for b.Loop() {
		if r := transact(b, h, msg); r.Code != 250 {
			b.Fatal(r)
		}
	}
	b.ReportMetric(float64(cpuTime()-began)/float64(b.N), "cpu-ns/op")
}

// cpuTime is what the process has used: filters run beside each other, and on
// a machine that others use the wall clock says little.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func must[T any](x T, err error) T {
	if err != nil {
		panic(err)
	}
	return x
}

// signedMessage is an ordinary message of a text and a file, with a signature.
func signedMessage(b *testing.B, key *rsa.PrivateKey, size int) []byte {
	head := "From: A <a@sender.test>\r\nTo: B <b@example.org>\r\nSubject: What it costs\r\nDate: " + time.Now().Format(time.RFC1123Z) +
		"\r\nMessage-ID: <1@sender.test>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=B\r\n"
	var text bytes.Buffer
	text.WriteString("--B\r\nContent-Type: text/plain\r\n\r\nHello,\r\n\r\nsee the file.\r\n--B\r\nContent-Type: image/png; name=x.png\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	for line := make([]byte, 57); text.Len() < size; {
		rand.Read(line)
		text.WriteString(base64.StdEncoding.EncodeToString(line) + "\r\n")
	}
	text.WriteString("--B--\r\n")
	signer := &mailauth.Signer{Key: key, Domain: "sender.test", Selector: "s"}
	hasher := mailauth.NewBodyHasher(signer.BodyForm())
	hasher.Write(text.Bytes())
	hash, _ := hasher.Sum(signer.BodyForm())
	field := must(signer.Sign(must(message.ParseHeader([]byte(head), message.HeaderLimits{})), hash))
	return append(append(append(field, head...), "\r\n"...), text.Bytes()...)
}

func transact(b *testing.B, h *inbound.Handler, msg []byte) smtp.Reply {
	ctx := b.Context()
	info := smtpd.Info{Listener: "smtp", Remote: netip.MustParseAddrPort("192.0.2.9:4242"), Started: time.Now()}
	s, _, _ := h.Connect(ctx, info)
	defer s.Close()
	info.Helo, info.Extended = "client.sender.test", true
	s.Helo(ctx, info)
	tx, r, err := s.Mail(ctx, smtp.ReversePath{Address: smtp.Address{Local: "a", Domain: "sender.test"}}, smtp.MailParams{})
	if err != nil {
		b.Fatal(r, err)
	}
	if r, err := tx.Rcpt(ctx, smtp.ForwardPath{Address: smtp.Address{Local: "b", Domain: "example.org"}}, smtp.RcptParams{}); err != nil {
		b.Fatal(r, err)
	}
	replies, err := tx.Data(ctx, &wire{msg})
	if err != nil {
		b.Fatal(err)
	}
	return replies[0]
}

// wire gives the message in pieces of 32 KiB, as smtpd does.
type wire struct{ rest []byte }

func (w *wire) Read([]byte) (int, error) { panic("WriteTo is there") }

func (w *wire) WriteTo(to io.Writer) (n int64, err error) {
	for len(w.rest) > 0 {
		m, err := to.Write(w.rest[:min(len(w.rest), 32<<10)])
		n += int64(m)
		if err != nil {
			return n, err
		}
		w.rest = w.rest[m:]
	}
	return n, nil
}

package mailauth

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/test/peers"
)

// randomMessage draws a message with strange folds, spaces and repeated
// fields, but with clean line ends, as all implementations agree on those.
func randomMessage(r *rand.Rand) (header, body string) {
	text := func(n int) string {
		words := []string{"a", "bc", " ", "  ", "\t", ";", "=", "word", "b=x", "!", "\u00e9"}
		var b strings.Builder
		for range r.IntN(n) {
			b.WriteString(words[r.IntN(len(words))])
		}
		return b.String()
	}
	var h strings.Builder
	for range 1 + r.IntN(8) {
		name := []string{"To", "to", "Subject", "X-Long-Name", "Received", "Cc"}[r.IntN(6)]
		h.WriteString(name + ":" + text(8))
		for range r.IntN(3) {
			h.WriteString("\r\n" + []string{" ", "\t", "  "}[r.IntN(3)] + "x" + text(6))
		}
		h.WriteString("\r\n")
	}
	var b strings.Builder
	for range r.IntN(8) {
		b.WriteString(text(10) + "\r\n" + strings.Repeat("\r\n", r.IntN(3)))
	}
	if r.IntN(4) == 0 {
		b.WriteString("no line end")
	}
	return "From: a@example.com\r\n" + h.String(), b.String()
}

// oracleKeys are the keys by their selector.
func oracleKeys() map[string]crypto.Signer {
	return map[string]crypto.Signer{"rsa": testKeys.rsa1024(), "ed": testKeys.ed}
}

func oracleZone() dns.Zone {
	z := dns.Zone{}
	for s, k := range oracleKeys() {
		z[s+"._domainkey.example.com"] = []dns.ZoneRecord{dnstest.TXT(record(k))}
	}
	return z
}

// signOurs signs with our signer and returns the field.
func signOurs(t testing.TB, s *Signer, header, body string) string {
	t.Helper()
	h, err := message.ParseHeader([]byte(header), message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	hash := NewBodyHasher(s.BodyForm())
	io.WriteString(hash, body)
	sum, _ := hash.Sum(s.BodyForm())
	field, err := s.Sign(h, sum)
	if err != nil {
		t.Fatal(err)
	}
	return string(field)
}

var canonPairs = [][2]Canon{{Relaxed, Relaxed}, {Relaxed, Simple}, {Simple, Relaxed}, {Simple, Simple}}

func TestOursVerifiesWithGoMsgauthAndBack(t *testing.T) {
	t.Parallel()
	zone := oracleZone()
	opt := &msgauth.VerifyOptions{LookupTXT: func(domain string) ([]string, error) {
		txt, _, err := dns.LookupTXT(t.Context(), zone, domain)
		return txt, err
	}}
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 300 {
		header, body := randomMessage(r)
		pair := canonPairs[i%4]
		selector := []string{"rsa", "ed"}[i/4%2]
		key := oracleKeys()[selector]
		s := &Signer{Key: key, Domain: "example.com", Selector: selector, Canon: pair, Time: testNow}
		msg := signOurs(t, s, header, body) + header + "\r\n" + body
		got, err := msgauth.VerifyWithOptions(strings.NewReader(msg), opt)
		if err != nil || len(got) != 1 || got[0].Err != nil {
			t.Fatalf("ours, %v: %v %v\n%q", pair, err, got[0].Err, msg)
		}
		var out bytes.Buffer
		err = msgauth.Sign(&out, strings.NewReader(header+"\r\n"+body), &msgauth.SignOptions{
			Domain: "example.com", Selector: selector, Signer: key, Identifier: "joe@sub.example.com",
			HeaderCanonicalization: msgauth.Canonicalization(pair[0].String()),
			BodyCanonicalization:   msgauth.Canonicalization(pair[1].String()),
		})
		if err != nil {
			t.Fatal(err)
		}
		if sig := verifyString(t, out.String(), zone); sig.Result != Pass {
			t.Fatalf("theirs, %v: %+v\n%q", pair, sig, out.String())
		}
		if sig := verifyString(t, strings.Replace(out.String(), "From: a@", "From: b@", 1), zone); sig.Result != Fail {
			t.Fatalf("theirs, changed: %+v", sig)
		}
	}
}

// verifyString verifies a message with CRLFs as it is and returns the first
// signature.
func verifyString(t testing.TB, msg string, r dns.Resolver) DKIMSignature {
	t.Helper()
	header, body := message.Split([]byte(msg))
	h, err := message.ParseHeader(header, message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	rep, err := VerifyDKIM(t.Context(), h, bytes.NewReader(body), r, VerifyOptions{})
	if err != nil || len(rep.Signatures) == 0 {
		t.Fatalf("%d signatures, %v", len(rep.Signatures), err)
	}
	return rep.Signatures[0]
}

// dkimpy is asked many things in one run: each job has the op and its input.
const dkimpyScript = `
import sys, json, base64, dkim
keys, zone, jobs = (lambda d: (d["keys"], d["zone"], d["jobs"]))(json.load(sys.stdin))
def txt(name, timeout=5):
    return zone.get(name.decode().rstrip(".").lower(), "").encode() or None
out = []
for j in jobs:
    m = base64.b64decode(j["message"]); key = keys.get(j["selector"], "").encode(); sel = j["selector"].encode()
    alg = b"ed25519-sha256" if j["selector"] == "ed" else b"rsa-sha256"
    try:
        if j["op"] == "verify": r = str(dkim.verify(m, dnsfunc=txt))
        elif j["op"] == "sign": r = dkim.sign(m, sel, b"example.com", key, signature_algorithm=alg, canonicalize=tuple(c.encode() for c in j["canon"]), length=j["length"]).decode("latin1")
        elif j["op"] == "arc": r = dkim.arc_verify(m, dnsfunc=txt)[0].decode()
        elif j["op"] == "seal": r = b"".join(dkim.arc_sign(m, sel, b"example.com", key, b"mx.example")).decode("latin1")
    except Exception as e: r = "error: %r" % e
    out.append(r)
json.dump(out, sys.stdout)
`

type dkimpyJob struct {
	Op       string    `json:"op"`
	Message  []byte    `json:"message"`
	Selector string    `json:"selector"`
	Canon    [2]string `json:"canon"`
	Length   bool      `json:"length"`
}

// askDKIMPy runs the jobs; the test is skipped where dkimpy is not installed.
func askDKIMPy(t *testing.T, jobs []dkimpyJob) []string {
	t.Helper()
	const python = "/usr/bin/python3"
	if _, err := os.Stat(python); err != nil {
		peers.Missing(t, "no python3")
	}
	if err := exec.CommandContext(t.Context(), python, "-c", "import dkim, nacl, authres").Run(); err != nil {
		peers.Missing(t, "python3-dkim, python3-nacl or python3-authres is not installed")
	}
	zone := map[string]string{}
	for s, k := range oracleKeys() {
		zone[s+"._domainkey.example.com"] = record(k)
	}
	in, err := json.Marshal(map[string]any{"zone": zone, "jobs": jobs, "keys": map[string]string{
		"rsa": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(oracleKeys()["rsa"].(*rsa.PrivateKey))})),
		"ed":  base64.StdEncoding.EncodeToString(oracleKeys()["ed"].(ed25519.PrivateKey).Seed()),
	}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", dkimpyScript)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	data, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	if err := json.Unmarshal(data, &out); err != nil || len(out) != len(jobs) {
		t.Fatalf("%d answers to %d jobs, %v", len(out), len(jobs), err)
	}
	return out
}

func TestOursVerifiesWithDKIMPyAndBack(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	var jobs []dkimpyJob
	var plain []string
	for i := range 120 {
		header, body := randomMessage(r)
		if !strings.HasSuffix(body, "\r\n") {
			body += "\r\n" // dkimpy drops what follows the last line end
		}
		pair, selector := canonPairs[i%4], []string{"rsa", "ed"}[i/4%2]
		s := &Signer{Key: oracleKeys()[selector], Domain: "example.com", Selector: selector, Canon: pair, Time: testNow}
		msg := header + "\r\n" + body
		plain = append(plain, msg)
		jobs = append(jobs,
			dkimpyJob{Op: "verify", Message: []byte(signOurs(t, s, header, body) + msg)},
			dkimpyJob{Op: "sign", Message: []byte(msg), Selector: selector, Canon: [2]string{pair[0].String(), pair[1].String()}, Length: i%3 == 0})
	}
	out := askDKIMPy(t, jobs)
	zone := oracleZone()
	for i, msg := range plain {
		if out[2*i] != "True" {
			t.Errorf("ours: %s\n%q", out[2*i], jobs[2*i].Message)
		}
		signed := out[2*i+1] + msg
		if sig := verifyString(t, signed, zone); sig.Result != Pass {
			t.Errorf("theirs: %+v\n%q", sig, signed)
		}
		if sig := verifyString(t, signed+"more\r\n", zone); (sig.Result == Pass) != sig.Limited || sig.Partial() != sig.Limited {
			t.Errorf("theirs with more behind the body: %+v\n%q", sig, signed)
		}
	}
}

// TestSealsVerifyWithDKIMPyAndBack builds chains of up to four sets, each hop
// sealed by one of the two at random.
func TestSealsVerifyWithDKIMPyAndBack(t *testing.T) {
	t.Parallel()
	const chains, hops = 6, 3
	r := rand.New(rand.NewPCG(7, 8))
	msgs := make([]string, chains)
	for i := range msgs {
		header, body := randomMessage(r)
		msgs[i] = header + "\r\n" + body + "end\r\n"
	}
	zone := oracleZone()
	for hop := range hops {
		var jobs []dkimpyJob
		var who []int
		for i, msg := range msgs {
			if hop == 0 {
				msgs[i] = "Authentication-Results: mx.example; arc=none; spf=pass\r\n" + msg
			} else if hop == 1 {
				msgs[i] = strings.Replace(msg, "arc=none; spf=pass\r\nFrom", "arc=pass; spf=fail\r\nFrom", 1)
			}
			if r.IntN(2) == 0 {
				who = append(who, i)
				jobs = append(jobs, dkimpyJob{Op: "seal", Message: []byte(msgs[i]), Selector: "rsa"})
				continue
			}
			msgs[i] = sealOurs(t, zone, msgs[i])
		}
		for k, set := range askDKIMPy(t, jobs) {
			msgs[who[k]] = set + msgs[who[k]]
		}
		jobs = nil
		for _, msg := range msgs {
			jobs = append(jobs, dkimpyJob{Op: "arc", Message: []byte(msg)})
		}
		theirs := askDKIMPy(t, jobs)
		for i, msg := range msgs {
			ours := verifyARCString(t, msg, zone)
			if ours.CV != Pass || len(ours.Sets) != hop+1 || theirs[i] != "pass" {
				t.Errorf("hop %d: ours %s (%s), theirs %s\n%s", hop, ours.CV, ours.Reason, theirs[i], msg)
			}
		}
	}
}

func verifyARCString(t testing.TB, msg string, r dns.Resolver) ARCChain {
	t.Helper()
	header, body := message.Split([]byte(msg))
	h, err := message.ParseHeader(header, message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	chain, err := VerifyARC(t.Context(), h, bytes.NewReader(body), r, VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

// sealOurs puts a set of ours on top.
func sealOurs(t testing.TB, r dns.Resolver, msg string) string {
	t.Helper()
	fields, err := trySeal(t, r, &Signer{Key: testKeys.rsa1024(), Domain: "example.com", Selector: "rsa", Time: testNow}, msg)
	if err != nil {
		t.Fatal(err)
	}
	return fields + msg
}

func trySeal(t testing.TB, r dns.Resolver, s *Signer, msg string) (string, error) {
	t.Helper()
	header, body := message.Split([]byte(msg))
	h, err := message.ParseHeader(header, message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	hash := NewBodyHasher(s.BodyForm())
	hash.Write(body)
	sum, _ := hash.Sum(s.BodyForm())
	fields, err := s.Seal(h, verifyARCString(t, msg, r).CV, "mx.example; spf=pass", sum)
	return string(fields), err
}

// TestChangedChainsAreJudgedAsByDKIMPy changes an octet of a chain, anywhere.
func TestChangedChainsAreJudgedAsByDKIMPy(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: has Python judge 150 messages")
	}
	r := rand.New(rand.NewPCG(9, 13))
	var jobs []dkimpyJob
	var msgs []string
	zone := oracleZone()
	base := "From: a@example.com\r\nTo: b@example.com\r\nSubject: x\r\nAuthentication-Results: mx.example; arc=none\r\n\r\nbody\r\n"
	for range 3 {
		base = sealOurs(t, zone, base)
	}
	for range 150 {
		b := []byte(base)
		i := r.IntN(len(b))
		if b[i] == '\r' || b[i] == '\n' {
			continue // dkimpy takes any line end
		}
		b[i] = "abXY01=;: "[r.IntN(10)]
		msgs = append(msgs, string(b))
		jobs = append(jobs, dkimpyJob{Op: "arc", Message: b})
	}
	for i, theirs := range askDKIMPy(t, jobs) {
		ours := verifyARCString(t, msgs[i], zone)
		if (ours.CV == Pass) != (theirs == "pass") {
			t.Errorf("ours %s (%s), theirs %s\n%s", ours.CV, ours.Reason, theirs, diffLines(base, msgs[i]))
		}
	}
}

// diffLines shows the lines that differ.
func diffLines(a, b string) string {
	var out strings.Builder
	old := strings.Split(a, "\r\n")
	for i, l := range strings.Split(b, "\r\n") {
		if i >= len(old) || old[i] != l {
			fmt.Fprintf(&out, "%q was %q\n", l, old[min(i, len(old)-1)])
		}
	}
	return out.String()
}

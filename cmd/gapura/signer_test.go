package main

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/body"
)

// TestSignatureFaultIsSeen: a seal that is wrong before it leaves is counted and
// logged.
func TestSignatureFaultIsSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse(filepath.Join(dir, "g.yaml"), []byte("filters: [arc: {seal: {domain: a.test, selector: s1, key: key.pem}}]\n"+
		"domains: {a.test: {deliver: proxy, backends: [\"smtp://127.0.0.1:25\"]}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s, reg := &server{log: slog.New(slog.NewTextHandler(&log, nil)), budget: body.NewBudget(1<<20, 1<<20)}, prometheus.NewRegistry()
	s.register(reg)
	sealer, err := newSealer(cfg, s.signatureFault)
	if err != nil {
		t.Fatal(err)
	}
	if _, plain := sealer.Key.(*rsa.PrivateKey); plain {
		t.Skip("crypto/rsa signs: no AVX-512 IFMA")
	}
	sum := make([]byte, 32)
	if _, err := sealer.Key.Sign(rand.Reader, sum, crypto.SHA256); err != nil || faultsOf(t, reg) != 0 || log.Len() > 0 {
		t.Fatalf("%v, %v faults, %s", err, faultsOf(t, reg), log.String())
	}
	sealer.Key.Public().(*rsa.PublicKey).E = 3 // now no signature is right
	sealer.Key.Sign(rand.Reader, sum, crypto.SHA256)
	if faultsOf(t, reg) != 1 || !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "domain=a.test selector=s1") {
		t.Errorf("%v faults, %s", faultsOf(t, reg), log.String())
	}
}

func faultsOf(t *testing.T, reg *prometheus.Registry) float64 {
	t.Helper()
	list, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if f.GetName() == "gapura_signature_faults_total" {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatal("no such metric")
	return 0
}

package inbound

import (
	"crypto/ed25519"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/filters/arc"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/pipeline"
)

// TestSealIsTheLastThingDone: what arrives has a chain that passes, over the
// fields that we added, and a second gateway continues it.
func TestSealIsTheLastThingDone(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	zone := dnstest.Zone{"s._domainkey.seal.test": {dnstest.TXT("v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(pub))}}
	msg := simple
	for instance := 1; instance <= 2; instance++ {
		e := newEnv(t)
		f, err := arc.New(arc.Options{}, zone)
		if err != nil {
			t.Fatal(err)
		}
		e.filters = []pipeline.Step{{Filter: f}}
		e.sealer = &mailauth.Signer{Key: key, Domain: "seal.test", Selector: "s"}
		if _, data := e.send(msg, "u@example.org", "v@example.org"); !data[0].Positive() {
			t.Fatal(data)
		}
		msg = e.one.texts[0]
		head, body := message.Split([]byte(msg))
		h, err := message.ParseHeader(head, message.HeaderLimits{})
		if err != nil {
			t.Fatal(err)
		}
		chain, err := mailauth.VerifyARC(t.Context(), h, strings.NewReader(string(body)), zone, mailauth.VerifyOptions{})
		if err != nil || chain.CV != mailauth.Pass || len(chain.Sets) != instance {
			t.Fatalf("instance %d: cv=%s, %d sets, %v\n%s", instance, chain.CV, len(chain.Sets), err, msg)
		}
	}
}

package mailauth

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/gateway/message"
)

// arcCase is one case of the ValiMail ARC validation suite.
type arcCase struct {
	ID      string `json:"id"`
	Message string `json:"message"`
	CV      string `json:"cv"` // "" : not judged, but it is not pass
	Zone    map[string][]struct {
		Type  string   `json:"type"`
		Value []string `json:"value"`
	} `json:"zone"`
}

func loadARCSuite(t testing.TB) []arcCase {
	t.Helper()
	data, err := os.ReadFile("testdata/arc/arc.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []arcCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

func (c *arcCase) zone() dns.Zone {
	z := dns.Zone{}
	for name, records := range c.Zone {
		for _, r := range records {
			z[name] = append(z[name], dnstest.TXT(strings.Join(r.Value, "")))
		}
	}
	return z
}

// splitMessage turns a message with either line end into header and body.
func splitMessage(t testing.TB, msg string) (*message.Header, string) {
	t.Helper()
	msg = strings.ReplaceAll(strings.ReplaceAll(msg, "\r\n", "\n"), "\n", "\r\n")
	header, body := message.Split([]byte(msg))
	h, err := message.ParseHeader(header, message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	return h, string(body)
}

func TestARCValidationSuite(t *testing.T) {
	t.Parallel()
	cases := loadARCSuite(t)
	if len(cases) != 171 {
		t.Errorf("%d cases, want all 171", len(cases))
	}
	for _, c := range cases {
		t.Run(c.ID, func(t *testing.T) {
			t.Parallel()
			h, body := splitMessage(t, c.Message)
			chain, err := VerifyARC(t.Context(), h, strings.NewReader(body), c.zone(), VerifyOptions{})
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ToLower(string(chain.CV))
			want := strings.ToLower(c.CV)
			if got != want && (want != "" || got == "pass") {
				t.Errorf("cv %q (%s), want %q", got, chain.Reason, want)
			}
			if (chain.CV == Pass || chain.CV == None) != (chain.Reason == "") {
				t.Errorf("cv %q with reason %q", chain.CV, chain.Reason)
			}
		})
	}
}

package tlsrpt

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
)

func TestParseRecord(t *testing.T) {
	t.Parallel()
	for txt, want := range map[string][]string{
		"v=TLSRPTv1;rua=mailto:reports@example.com":                   {"mailto:reports@example.com"}, // RFC 8460 section 3.1.1
		"v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt":     {"https://reporting.example.com/v1/tlsrpt"},
		"v=TLSRPTv1; rua=mailto:a@b.example,https://x.example/ ;":     {"mailto:a@b.example", "https://x.example/"},
		"v=TLSRPTv1 ; rua=mailto:a@b.example \t, mailto:c@d.example;": {"mailto:a@b.example", "mailto:c@d.example"},
		"v=TLSRPTv1; rua=mailto:a@b.example; rua=mailto:c@d.example":  {"mailto:a@b.example", "mailto:c@d.example"},
		"v=TLSRPTv1; ext=x:y; rua=mailto:a@b.example?subject=x":       {"mailto:a@b.example?subject=x"},
		"v=TLSRPTv1; rua=mailto:%22a%2Cb%22@c.example":                {"mailto:%22a%2Cb%22@c.example"},
		"v=TLSRPTv1; rua=ftp://x.example/,mailto:a@b.example":         {"ftp://x.example/", "mailto:a@b.example"},
		"":                                         nil,
		"v=TLSRPTv1":                               nil,
		"v=TLSRPTv1;":                              nil,
		"v=TLSRPTv1; rua=":                         nil,
		"v=TLSRPTv1; rua=,mailto:a@b.example":      nil,
		"v=TLSRPTv1; rua=mailto:a@b.example,":      nil,
		"v=TLSRPTv2; rua=mailto:a@b.example":       nil,
		"v=tlsrptv1; rua=mailto:a@b.example":       nil,
		" v=TLSRPTv1; rua=mailto:a@b.example":      nil,
		"rua=mailto:a@b.example; v=TLSRPTv1":       nil,
		"v=TLSRPTv1; rua=a@b.example":              nil,
		"v=TLSRPTv1; rua=mailto:":                  nil,
		"v=TLSRPTv1; rua=mailto:nobody":            nil,
		"v=TLSRPTv1; rua=mailto:a b@c.example":     nil,
		"v=TLSRPTv1; rua=mailto:a!b@c.example":     nil,
		"v=TLSRPTv1; rua=https://":                 nil,
		"v=TLSRPTv1; rua=https:x.example":          nil,
		"v=TLSRPTv1; rua=https://x.example/%zz":    nil,
		"v=TLSRPTv1; rua=mailto:ä@c.example":       nil,
		"v=TLSRPTv1;; rua=mailto:a@b.example":      nil,
		"v=TLSRPTv1; rua=mailto:a@b.example; x":    nil,
		"v=TLSRPTv1; rua=mailto:a@b.example; x=":   nil,
		"v=TLSRPTv1; rua=mailto:a@b.example; x=ä":  nil,
		"v=TLSRPTv1; rua=mailto:a@b.example; -x=y": nil,
		"v=TLSRPTv1; rua=" + strings.Repeat("mailto:a@b.example,", 20) + "mailto:a@b.example": nil,
		"v=TLSRPTv1; rua=mailto:a@b.example; x=" + strings.Repeat("a", 5000):                  nil,
		"v=TLSRPTv1; rua=mailto:a@b.example;" + strings.Repeat("a=b;", 99):                    nil,
	} {
		r, err := ParseRecord(txt)
		if !slices.Equal(r.RUA, want) || want == nil && !errors.Is(err, ErrRecord) || want != nil && err != nil {
			t.Errorf("%.100q: %q, %v", txt, r.RUA, err)
		}
	}
}

func TestMailbox(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"mailto:a@b.example": "a@b.example", "MAILTO:a@b.example?subject=x": "a@b.example",
		"mailto:a%2Bx@b.example": "a+x@b.example", "mailto:a@b.example,c@d.example": "a@b.example",
	} {
		if got, err := mailbox(uri); got != want || err != nil {
			t.Errorf("%s: %q, %v", uri, got, err)
		}
	}
	if got, err := mailbox("mailto:a%0D%0Ab@c.example"); err == nil {
		t.Errorf("line end: %q", got)
	}
}

func TestOneRecordOfTheVersionCounts(t *testing.T) {
	t.Parallel()
	const good = "v=TLSRPTv1; rua=mailto:a@b.example"
	for _, c := range []struct {
		texts []string
		err   error
	}{
		{[]string{good}, nil},
		{[]string{"v=TLSRPTv10; x=y", good, "v=TLSRPTv1"}, nil},
		{[]string{good, good}, ErrNoRecord},
		{[]string{"v=TLSRPTv1; bad"}, ErrRecord},
		{nil, ErrNoRecord},
	} {
		zone := dns.Zone{}
		for _, txt := range c.texts {
			zone["_smtp._tls.a.test"] = append(zone["_smtp._tls.a.test"], dnstest.TXT(txt))
		}
		if _, err := LookupRecord(t.Context(), zone, "a.test"); !errors.Is(err, c.err) {
			t.Errorf("%q: %v", c.texts, err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	for _, s := range []string{"v=TLSRPTv1;rua=mailto:reports@example.com", "v=TLSRPTv1; rua=https://a.example/b,mailto:c@d.example; x=y;", "v=TLSRPTv1;rua=x:y;rua=z:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRecord(s)
		if err != nil {
			return
		}
		again, err := ParseRecord(r.String())
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Errorf("%q: %+v became %+v, %v", s, r, again, err)
		}
		for _, uri := range destinations(r) {
			if to, err := mailbox(uri); strings.HasPrefix(uri, "mailto:") && (err != nil || strings.ContainsAny(to, "\r\n")) {
				t.Errorf("%q: %q, %v", uri, to, err)
			}
		}
	})
}

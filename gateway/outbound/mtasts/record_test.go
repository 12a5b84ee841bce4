package mtasts

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
)

func TestParseRecord(t *testing.T) {
	t.Parallel()
	for txt, want := range map[string]*Record{
		"v=STSv1; id=20160831085700Z;":           {ID: "20160831085700Z"}, // RFC 8461 section 3.1
		"v=STSv1;id=1":                           {ID: "1"},
		"v=STSv1 \t;\t id=1 \t;\t ":              {ID: "1"},
		"v=STSv1; id=1; id=2":                    {ID: "1"},
		"v=STSv1; ext=a:b/c; id=1; x.y-z_9=!~":   {ID: "1", Extensions: []Pair{{"ext", "a:b/c"}, {"x.y-z_9", "!~"}}},
		"v=STSv1; id=" + strings.Repeat("a", 32): {ID: strings.Repeat("a", 32)},
		"v=STSv1; id=" + strings.Repeat("a", 33): nil,
		"":                                       nil,
		"v=STSv1":                                nil,
		"v=STSv1;":                               nil,
		"v=STSv1; id=":                           nil,
		"v=STSv1; id=a-b":                        nil,
		"v=STSv1; id=ä":                          nil,
		"v=STSv2; id=1":                          nil,
		"v=stsv1; id=1":                          nil,
		" v=STSv1; id=1":                         nil,
		"id=1; v=STSv1":                          nil,
		"v=STSv1; id = 1":                        nil,
		"v=STSv1; id=1; foo":                     nil,
		"v=STSv1; id=1; foo=":                    nil,
		"v=STSv1; id=1; =foo":                    nil,
		"v=STSv1; id=1; foo=a b":                 nil,
		"v=STSv1; id=1; foo=a=b":                 nil,
		"v=STSv1; id=1;; foo=a":                  nil,
		"v=STSv1; id=1; _foo=a":                  nil,
		"v=STSv1; ID=1":                          nil,
		"v=STSv1; id=1;" + strings.Repeat(" a=b;", 99):  nil,
		"v=STSv1; id=1; a=" + strings.Repeat("a", 5000): nil,
	} {
		got, err := ParseRecord(txt)
		if want == nil {
			if !errors.Is(err, ErrRecord) {
				t.Errorf("%q: %+v, %v", txt, got, err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, *want) {
			t.Errorf("%q: %+v, %v", txt, got, err)
		}
	}
}

func TestOneRecordOfTheVersionCounts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		texts []string
		id    string
		err   error
	}{
		{[]string{"v=STSv1; id=1"}, "1", nil},
		{[]string{"v=spf1 -all", "v=STSv10; id=2", "v=STSv1 ; id=1", "v=STSv1"}, "1", nil},
		{[]string{"v=STSv1; id=1", "v=STSv1; id=1"}, "", ErrNoRecord},
		{[]string{"v=STSv1; id=1", "v=STSv1; bad"}, "", ErrNoRecord},
		{[]string{"v=STSv1; bad"}, "", ErrRecord},
		{[]string{"hello"}, "", ErrNoRecord},
		{nil, "", ErrNoRecord},
	} {
		zone := dns.Zone{}
		for _, txt := range c.texts {
			zone["_mta-sts.a.test"] = append(zone["_mta-sts.a.test"], dnstest.TXT(txt))
		}
		if r, err := LookupRecord(t.Context(), zone, "a.test"); r.ID != c.id || !errors.Is(err, c.err) {
			t.Errorf("%q: %+v, %v", c.texts, r, err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	for _, s := range []string{"v=STSv1; id=20160831085700Z;", "v=STSv1;id=1;a=b", "v=STSv1; id=1; id=2;", "v=STSv1;;"} {
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
	})
}

package route

import (
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

func TestFor(t *testing.T) {
	table, err := NewTable([]string{"example.org", "*.example.org", "*.deep.example.org", "bücher.example"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ local, domain, key string }{
		{"a", "example.org", "example.org"},
		{"a", "EXAMPLE.Org", "example.org"},
		{"a", "x.example.org", "*.example.org"},
		{"a", "x.y.example.org", "*.example.org"},
		{"a", "x.deep.example.org", "*.deep.example.org"},
		{"a", "deep.example.org", "*.example.org"},
		{"a", "notexample.org", ""},
		{"a", "org", ""},
		{"a", "example.org.evil", ""},
		{"a", "[192.0.2.1]", ""},
		{"a", "xn--bcher-kva.example", "bücher.example"},
		{"Postmaster", "", "example.org"},
	} {
		key, ok := table.For(smtp.ForwardPath{Address: smtp.Address{Local: c.local, Domain: c.domain}})
		if key != c.key || ok != (c.key != "") {
			t.Errorf("%s@%s: %q, %v; want %q", c.local, c.domain, key, ok, c.key)
		}
	}
}

func TestDefaultTakesTheRest(t *testing.T) {
	table, _ := NewTable([]string{"example.org", "default"})
	if key, ok := table.For(smtp.ForwardPath{Address: smtp.Address{Local: "a", Domain: "other.test"}}); !ok || key != Default {
		t.Errorf("%q, %v", key, ok)
	}
}

func TestBadTables(t *testing.T) {
	for _, keys := range [][]string{{"a.test", "A.test"}, {"bad domain"}, {"*.*.a"}} {
		if _, err := NewTable(keys); err == nil {
			t.Errorf("%q: no error", keys)
		}
	}
}

// TestPostmasterWithoutDomain goes to the first domain named in full, and is
// told so.
func TestPostmasterWithoutDomain(t *testing.T) {
	for _, c := range []struct{ keys, key, domain string }{
		{"example.org other.test", "example.org", "example.org"},
		{"default *.example.org other.test third.test", "other.test", "other.test"},
		{"Bücher.example", "Bücher.example", "xn--bcher-kva.example"},
		{"*.example.org default", "*.example.org", ""},
		{"default", "default", ""},
	} {
		table, err := NewTable(strings.Fields(c.keys))
		if err != nil {
			t.Fatal(err)
		}
		to := smtp.ForwardPath{Address: smtp.Address{Local: "Postmaster"}}
		if key, ok := table.For(to); !ok || key != c.key {
			t.Errorf("%s: %q", c.keys, key)
		}
		if to = table.Qualify(to); to.Local != "Postmaster" || to.Domain != c.domain {
			t.Errorf("%s: %v", c.keys, to)
		}
		if key, _ := table.For(to); key != c.key {
			t.Errorf("%s: then %q", c.keys, key)
		}
	}
}

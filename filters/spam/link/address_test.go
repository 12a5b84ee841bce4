package link

import (
	"slices"
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"write to Jane.Doe+x@shop-sells.com, or call":                          {"Jane.Doe+x@shop-sells.com"},
		"<a@x-sells.com>, [b@x-sells.com]; mailto:c@x-sells.com?subject=y.":    {"a@x-sells.com", "b@x-sells.com", "c@x-sells.com"},
		"d@x-sells.com.\r\n...e_1@x-sells.com--":                               {"d@x-sells.com", "e_1@x-sells.com"},
		"@x-sells.com, a@, a@b, a@b.c, a@x.invalid, see http://u@x-sells.com/": nil,
		"a@x-sells.com@y-sells.com":                                            {"a@x-sells.com"},
		"":                                                                     nil,
	} {
		if got := Addresses([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q: %q", text, got)
		}
	}
	if n := len(Addresses([]byte(strings.Repeat("a@x-sells.com ", 10_000)))); n != maxAddresses {
		t.Errorf("%d addresses", n)
	}
}

package text

import (
	"strings"
	"testing"
)

// TestDeclarationsWithoutValue say nothing.
func TestDeclarationsWithoutValue(t *testing.T) {
	t.Parallel()
	for _, name := range strings.Fields("display color font font-size opacity filter transform scale rotate clip clip-path inset background width zoom margin position overflow") {
		p := new(Page)
		if p.HTML([]byte(`<i style="` + name + `:!important">x</i>`)); string(p.Text) != "x" {
			t.Errorf("%s: %q", name, p.Text)
		}
	}
}

package mailauth

import (
	"fmt"
	"strings"
)

func (k spfKind) String() string { return spfKinds[k] }

// String prints the record in its shortest form.
func (rec *spfRecord) String() string {
	var b strings.Builder
	b.WriteString(spfVersion)
	for i := range rec.terms {
		b.WriteByte(' ')
		rec.terms[i].print(&b)
	}
	if rec.redirect != "" {
		b.WriteString(" redirect=" + rec.redirect)
	}
	if rec.exp != "" {
		b.WriteString(" exp=" + rec.exp)
	}
	return b.String()
}

func (t *spfTerm) print(b *strings.Builder) {
	if t.qualifier != '+' {
		b.WriteByte(t.qualifier)
	}
	b.WriteString(t.kind.String())
	switch {
	case t.network.IsValid():
		b.WriteString(":" + t.network.String())
	case t.spec != "":
		b.WriteString(":" + t.spec)
	}
	if t.cidr4 != 32 {
		fmt.Fprintf(b, "/%d", t.cidr4)
	}
	if t.cidr6 != 128 {
		fmt.Fprintf(b, "//%d", t.cidr6)
	}
}

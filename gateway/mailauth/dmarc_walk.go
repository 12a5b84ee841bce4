package mailauth

import (
	"context"
	"fmt"
	"strings"

	"github.com/gapura-mail/gapura/gateway/dns"
)

// DMARCMaxQueries is the most TXT queries of one DNS tree walk (RFC 9989
// section 4.10).
const DMARCMaxQueries = 8

// dmarcFound is what stands at _dmarc.name.
type dmarcFound struct {
	name string
	rec  DMARCRecord
	ok   bool  // there is one record
	err  error // no answer came
}

// dmarcWalk is a finished tree walk: the records from the longest name to the
// shortest.
type dmarcWalk struct {
	start   string
	records []dmarcFound
	err     error // of the query that got no answer; the walk ends there
}

// dmarcDNS asks each _dmarc name once.
type dmarcDNS struct {
	r     dns.Resolver
	known map[string]dmarcFound
}

// find asks for the record of name. Several records count as none (section
// 4.10, step 2).
func (d *dmarcDNS) find(ctx context.Context, name string) dmarcFound {
	if f, ok := d.known[name]; ok {
		return f
	}
	f := dmarcFound{name: name}
	a, err := d.r.Lookup(ctx, "_dmarc."+name, dns.TypeTXT)
	if err != nil && !dns.IsNotFound(err) {
		f.err = fmt.Errorf("TXT _dmarc.%s: %w", name, err)
	}
	n := 0
	for _, rr := range a.Records {
		if rec, ok := ParseDMARCRecord(rr.Text); ok {
			f.rec = rec
			n++
		}
	}
	f.ok = n == 1
	d.known[name] = f
	return f
}

// walk is the DNS tree walk from name up (section 4.10).
func (d *dmarcDNS) walk(ctx context.Context, name string) dmarcWalk {
	w := dmarcWalk{start: name}
	for q := 0; name != "" && q < DMARCMaxQueries; q++ {
		f := d.find(ctx, name)
		if f.err != nil {
			w.err = f.err
			break
		}
		if f.ok {
			w.records = append(w.records, f)
			if f.rec.PSD != 'u' {
				break
			}
		}
		name = dmarcParent(name)
	}
	return w
}

// dmarcParent is the next name of a walk: the parent, or, from 8 labels on,
// the last 7 labels.
func dmarcParent(name string) string {
	if n := strings.Count(name, ".") + 1; n >= DMARCMaxQueries {
		return lastLabels(name, DMARCMaxQueries-1)
	}
	_, parent, _ := strings.Cut(name, ".")
	return parent
}

// lastLabels returns the last n labels of name.
func lastLabels(name string, n int) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			if n--; n == 0 {
				return name[i+1:]
			}
		}
	}
	return name
}

// orgDomain selects the organizational domain (section 4.10.2).
func (w *dmarcWalk) orgDomain() string {
	for _, f := range w.records {
		switch {
		case f.rec.PSD == 'n':
			return f.name
		case f.rec.PSD == 'y' && f.name != w.start:
			return lastLabels(w.start, strings.Count(f.name, ".")+2)
		}
	}
	if n := len(w.records); n > 0 {
		return w.records[n-1].name
	}
	return w.start
}

// policy selects the record that applies to the walk's start (section
// 4.10.1): its own, its organizational domain's, its public suffix domain's.
func (w *dmarcWalk) policy() (dmarcFound, bool) {
	org, psd := w.orgDomain(), -1
	for i, f := range w.records {
		if f.name == w.start {
			return f, true
		}
		if f.name == org {
			return f, true
		}
		if f.rec.PSD == 'y' {
			psd = i
		}
	}
	if psd >= 0 {
		return w.records[psd], true
	}
	return dmarcFound{}, false
}

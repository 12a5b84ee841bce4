package suppress

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// pageSize is how many entries are read, or written, at once.
	pageSize = 500
	// maxCSVLine bounds what one record of a file may have, in octets.
	maxCSVLine = 16 << 10
)

// Filter chooses entries; what is "" chooses all.
type Filter struct {
	Domain  string // sending domain
	Address string // an address, or @domain: all of that domain
	Reason  Reason
}

// Each calls f with the entries that are chosen, expired ones left out, in the
// order of their addresses, until it returns an error.
func (l *List) Each(ctx context.Context, filter Filter, f func(Entry) error) error {
	query := "SELECT " + columns + " FROM suppress_entries WHERE (address, domain) > (?, ?) AND (until = 0 OR until > ?)"
	var args []any
	if filter.Domain != "" {
		d, err := normalDomain(filter.Domain)
		if err != nil {
			return err
		}
		query, args = query+" AND domain = ?", append(args, d)
	}
	if filter.Address != "" {
		a, err := Normal(filter.Address)
		if err != nil {
			return err
		}
		if strings.HasPrefix(a, "@") {
			query, args = query+` AND address LIKE ? ESCAPE '\'`, append(args, "%"+strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(a))
		} else {
			query, args = query+" AND address = ?", append(args, a)
		}
	}
	if filter.Reason != "" {
		query, args = query+" AND reason = ?", append(args, string(filter.Reason))
	}
	query += " ORDER BY address, domain LIMIT ?"
	for after := (Entry{}); ; {
		page, err := l.page(ctx, query, append(append([]any{after.Address, after.Domain, time.Now().Unix()}, args...), pageSize))
		if err != nil {
			return err
		}
		for _, e := range page {
			if err := f(e); err != nil {
				return err
			}
		}
		if len(page) < pageSize {
			return nil
		}
		after = page[len(page)-1]
	}
}

func (l *List) page(ctx context.Context, query string, args []any) (page []Entry, err error) {
	rows, err := l.deps.DB.Read().Query(ctx, query, args...)
	page, err = sqldb.Collect(rows, err, func(row *sqldb.Rows) (Entry, error) { return scan(row) })
	if err != nil {
		return nil, fmt.Errorf("suppress: list: %w", err)
	}
	return page, nil
}

// csvHeader names the columns of a file.
var csvHeader = []string{"address", "domain", "reason", "detail", "since", "until", "source"}

// Export writes the entries that are chosen as CSV, with a line of names.
func (l *List) Export(ctx context.Context, filter Filter, w io.Writer) (n int, err error) {
	out := csv.NewWriter(w)
	if err := out.Write(csvHeader); err != nil {
		return 0, fmt.Errorf("suppress: export: %w", err)
	}
	err = l.Each(ctx, filter, func(e Entry) error {
		until := ""
		if !e.Until.IsZero() {
			until = e.Until.UTC().Format(time.RFC3339)
		}
		n++
		return out.Write([]string{e.Address, e.Domain, string(e.Reason), e.Detail, e.Since.UTC().Format(time.RFC3339), until, e.Source})
	})
	out.Flush()
	if err = errors.Join(err, out.Error()); err != nil {
		return n, fmt.Errorf("suppress: export: %w", err)
	}
	return n, nil
}

// Import reads what Export writes: CSV whose first line may name the columns,
// of which address is the only one that must be there. Without names the
// first column is the address. base is what entries have that say nothing.
// Addresses that are none are passed over.
func (l *List) Import(ctx context.Context, r io.Reader, base Entry) (n int, bad PassedOver, err error) {
	in := csv.NewReader(&lineLimit{r: r})
	in.FieldsPerRecord, in.ReuseRecord, in.LazyQuotes = -1, true, true
	col := map[string]int{"address": 0}
	var entries []Entry
	flush := func() error {
		if len(entries) == 0 {
			return nil
		}
		err := l.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error { return write(ctx, tx, entries...) })
		if err == nil {
			n += len(entries)
		}
		entries = entries[:0]
		return err
	}
	for first := true; ; first = false {
		rec, err := in.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return n, bad, errors.Join(fmt.Errorf("suppress: import: %w", err), flush())
		}
		if first {
			if named := columnsOf(rec); named != nil {
				col = named
				continue
			}
		}
		e, err := entryOf(rec, col, base)
		if err != nil {
			line, _ := in.FieldPos(0)
			if bad.Count++; bad.Count <= maxBad {
				bad.First = append(bad.First, fmt.Sprintf("line %d: %v", line, err))
			}
			continue
		}
		if entries = append(entries, e); len(entries) == pageSize {
			if err := flush(); err != nil {
				return n, bad, fmt.Errorf("suppress: import: %w", err)
			}
		}
	}
	if err := flush(); err != nil {
		return n, bad, fmt.Errorf("suppress: import: %w", err)
	}
	l.Refresh()
	return n, bad, nil
}

// maxBad bounds the mistakes that an import tells.
const maxBad = 20

// PassedOver are the records of a file that are no entries.
type PassedOver struct {
	Count int
	First []string // what is wrong with the first few, and in which lines
}

// columnsOf reads the line of names; nil: it is none.
func columnsOf(rec []string) map[string]int {
	col := map[string]int{}
	for i, name := range rec {
		col[strings.ToLower(strings.Trim(name, " \ufeff"))] = i
	}
	for _, name := range []string{"address", "email"} {
		if i, ok := col[name]; ok {
			col["address"] = i
			return col
		}
	}
	return nil
}

func entryOf(rec []string, col map[string]int, e Entry) (Entry, error) {
	get := func(name string) string {
		if i, ok := col[name]; ok && i < len(rec) {
			return strings.TrimSpace(rec[i])
		}
		return ""
	}
	set := func(name string, to *string) {
		if v := get(name); v != "" {
			*to = v
		}
	}
	e.Address = get("address")
	set("domain", &e.Domain)
	set("detail", &e.Detail)
	set("source", &e.Source)
	switch r := Reason(get("reason")); r {
	case Bounced, Complaint, Manual, Imported:
		e.Reason = r
	default: // in somebody's own words
		if e.Detail == "" {
			e.Detail = string(r)
		}
	}
	for name, to := range map[string]*time.Time{"since": &e.Since, "until": &e.Until} {
		if v := get(name); v != "" {
			t, err := time.Parse(time.RFC3339, v)
			if err != nil {
				return e, fmt.Errorf("%s is no time: %.40q", name, v)
			}
			*to = t
		}
	}
	return e, e.normal()
}

// lineLimit fails where a line is too long, or a quoted field has no end.
type lineLimit struct {
	r io.Reader
	n int
}

var errLine = fmt.Errorf("a line is longer than %d octets", maxCSVLine)

// Read implements io.Reader.
func (l *lineLimit) Read(p []byte) (int, error) {
	n, err := l.r.Read(p[:min(len(p), 4<<10)])
	for _, c := range p[:n] {
		if l.n++; c == '\n' {
			l.n = 0
		}
		if l.n > maxCSVLine {
			return 0, errLine
		}
	}
	return n, err
}

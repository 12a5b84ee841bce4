package imap

import (
	"strconv"
	"time"
)

// AppendString writes s as a string: in quotes where it can be, else as a
// literal. With utf8 UTF-8 is written in quotes, too.
func AppendString(b []byte, s string, utf8 bool) []byte {
	if _, ok := quotable(s, utf8); !ok {
		b = strconv.AppendInt(append(b, '{'), int64(len(s)), 10)
		return append(append(b, "}\r\n"...), s...)
	}
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// AppendDate writes a date, without quotes.
func AppendDate(b []byte, t time.Time) []byte { return t.AppendFormat(b, "2-Jan-2006") }

// Append writes the section as FETCH asks for it or, with response, as the
// answer names it (RFC 9051 section 7.5.2): BODY[1.HEADER]<0>.
func (s *Section) Append(b []byte, response bool) []byte {
	if s.Legacy {
		switch s.Kind {
		case SectionHeader:
			return append(b, "RFC822.HEADER"...)
		case SectionText:
			return append(b, "RFC822.TEXT"...)
		}
		return append(b, "RFC822"...)
	}
	switch s.Kind {
	case SectionBinary:
		b = append(b, "BINARY"...)
	case SectionBinarySize:
		b = append(b, "BINARY.SIZE"...)
	default:
		b = append(b, "BODY"...)
	}
	if s.Peek && !response && s.Kind != SectionBinarySize {
		b = append(b, ".PEEK"...)
	}
	b = s.appendSpec(append(b, '['))
	b = append(b, ']')
	if !s.Partial {
		return b
	}
	b = strconv.AppendUint(append(b, '<'), s.Offset, 10)
	if !response {
		b = strconv.AppendUint(append(b, '.'), s.Length, 10)
	}
	return append(b, '>')
}

var specNames = [...]string{SectionHeader: "HEADER", SectionHeaderFields: "HEADER.FIELDS", SectionHeaderFieldsNot: "HEADER.FIELDS.NOT", SectionText: "TEXT", SectionMIME: "MIME"}

func (s *Section) appendSpec(b []byte) []byte {
	for i, n := range s.Path {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendUint(b, uint64(n), 10)
	}
	if int(s.Kind) >= len(specNames) || s.Kind == SectionAll {
		return b
	}
	if len(s.Path) > 0 {
		b = append(b, '.')
	}
	b = append(b, specNames[s.Kind]...)
	if s.Fields == nil {
		return b
	}
	b = append(b, " ("...)
	for i, f := range s.Fields {
		if i > 0 {
			b = append(b, ' ')
		}
		b = appendAstring(b, f)
	}
	return append(b, ')')
}

func appendAstring(b []byte, s string) []byte {
	if s == "" || len(s) > maxQuoted {
		return AppendString(b, s, true)
	}
	for i := range len(s) {
		if s[i] >= 0x80 || !is(s[i], classAtom) {
			return AppendString(b, s, true)
		}
	}
	return append(b, s...)
}

// Append writes what follows the command's name.
func (f *Fetch) Append(b []byte) []byte {
	b = f.Set.Append(append(b, ' '))
	b = append(b, " ("...)
	start := len(b)
	for i, name := range fetchNames {
		if f.Atts&(1<<i) == 0 {
			continue
		}
		b = append(spaced(b, start), name...)
		if 1<<i == FetchPreview && f.Atts&FetchPreviewLazy != 0 {
			b = append(b, " (LAZY)"...)
		}
	}
	for i := range f.Sections {
		b = f.Sections[i].Append(spaced(b, start), false)
	}
	b = append(b, ')')
	if !f.HasChangedSince && f.Partial == (Partial{}) {
		return b
	}
	b = append(b, " ("...)
	start = len(b)
	if f.HasChangedSince {
		b = strconv.AppendUint(append(b, "CHANGEDSINCE "...), f.ChangedSince, 10)
	}
	if f.Vanished {
		b = append(b, " VANISHED"...)
	}
	if f.Partial != (Partial{}) {
		b = f.Partial.Append(append(spaced(b, start), "PARTIAL "...))
	}
	return append(b, ')')
}

// spaced writes a space where something has been written since start.
func spaced(b []byte, start int) []byte {
	if len(b) > start {
		b = append(b, ' ')
	}
	return b
}

// Append writes what follows the command's name.
func (s *Store) Append(b []byte) []byte {
	b = s.Set.Append(append(b, ' '))
	if s.HasUnchangedSince {
		b = append(strconv.AppendUint(append(b, " (UNCHANGEDSINCE "...), s.UnchangedSince, 10), ')')
	}
	b = append(b, [...]string{" FLAGS", " +FLAGS", " -FLAGS"}[s.How]...)
	if s.Silent {
		b = append(b, ".SILENT"...)
	}
	return append(AppendFlags(append(b, " ("...), s.Flags.System, s.Flags.Keywords...), ')')
}

// Append writes the key; one with SearchAnd in parentheses.
func (k *SearchKey) Append(b []byte) []byte {
	switch k.Op {
	case SearchAnd:
		return k.appendAnd(b)
	case SearchSeq:
		return k.Set.Append(b)
	case SearchFlag, SearchNoFlag:
		return k.appendFlag(b)
	}
	for _, n := range searchNames {
		if n.op == k.Op {
			return k.appendArg(append(b, n.name...), n.arg)
		}
	}
	return b
}

func (k *SearchKey) appendAnd(b []byte) []byte {
	if len(k.Keys) == 0 {
		return append(b, "ALL"...)
	}
	return append(appendKeys(append(b, '('), k.Keys), ')')
}

func appendKeys(b []byte, keys []SearchKey) []byte {
	for i := range keys {
		if i > 0 {
			b = append(b, ' ')
		}
		b = keys[i].Append(b)
	}
	return b
}

func (k *SearchKey) appendFlag(b []byte) []byte {
	if k.Flag == Recent && k.Op == SearchNoFlag {
		return append(b, "OLD"...)
	}
	if k.Op == SearchNoFlag {
		b = append(b, "UN"...)
	}
	name := AppendFlags(nil, k.Flag)
	for _, c := range name[1:] {
		b = append(b, upper(c))
	}
	return b
}

func (k *SearchKey) appendArg(b []byte, arg searchArg) []byte {
	if arg == argNone {
		return b
	}
	b = append(b, ' ')
	switch arg {
	case argText, argID:
		return AppendString(b, k.Str, true)
	case argHeader:
		return AppendString(append(AppendString(b, k.Field, true), ' '), k.Str, true)
	case argKeyword:
		return append(b, k.Str...)
	case argDate:
		return AppendDate(b, k.Date)
	case argSet:
		return k.Set.Append(b)
	case argKey, argKeys:
		return appendKeys(b, k.Keys)
	}
	return strconv.AppendUint(b, k.Num, 10)
}

// append writes RETURN (...) with the space before it.
func (r *Results) append(b []byte) []byte {
	if !r.Extended {
		return b
	}
	b = append(b, " RETURN ("...)
	start := len(b)
	for i, name := range returnNames {
		if r.Options&(1<<i) != 0 {
			b = append(spaced(b, start), name...)
		}
	}
	if r.Partial != (Partial{}) {
		b = r.Partial.Append(append(spaced(b, start), "PARTIAL "...))
	}
	return append(b, ')')
}

// Append writes what follows the command's name.
func (s *Search) Append(b []byte) []byte {
	return appendKeys(append(s.Results.append(b), " CHARSET UTF-8 "...), s.Key.Keys)
}

// Append writes what follows the command's name.
func (s *Sort) Append(b []byte) []byte {
	b = append(s.Results.append(b), " ("...)
	for i, k := range s.By {
		if i > 0 {
			b = append(b, ' ')
		}
		if k.Reverse {
			b = append(b, "REVERSE "...)
		}
		b = append(b, sortNames[k.By]...)
	}
	return appendKeys(append(b, ") UTF-8 "...), s.Key.Keys)
}

// Append writes what follows the command's name.
func (t *Thread) Append(b []byte) []byte {
	b = append(append(b, ' '), threadNames[t.By]...)
	return appendKeys(append(b, " UTF-8 "...), t.Key.Keys)
}

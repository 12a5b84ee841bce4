package search

import (
	"bytes"
	"context"
	"database/sql"
)

// few candidates are read sooner than a whole dictionary.
const fewCandidates = 100

// find returns which objects of a segment may have a pattern and which have it
// for sure.
func (e *engine) find(ctx context.Context, s *segment, p *pattern) (maybe, sure set, err error) {
	q := query{ctx: ctx, eng: e, s: s}
	always, err := q.exact(everything)
	if err != nil {
		return nil, nil, err
	}
	first, last := p.where.kinds()
	if p.exact {
		sure, err = q.words(&p.fragments[0], first, last)
		return always, sure, err
	}
	all := newSet(len(s.objects))
	for i := range all {
		all[i] = ^uint64(0)
	}
	for _, t := range p.tokens {
		has, err := q.exact(t)
		if err != nil {
			return nil, nil, err
		}
		all.and(has)
	}
	// Whole words and beginnings are found quickly, ends in a walk over all.
	for _, left := range []bool{true, false} {
		for i := range p.fragments {
			f := &p.fragments[i]
			if f.left != left || !left && all.len() <= fewCandidates {
				continue
			}
			has, err := q.words(f, first, last)
			if err != nil {
				return nil, nil, err
			}
			all.and(has)
		}
	}
	all.or(always)
	return all, nil, nil
}

// query asks one segment.
type query struct {
	ctx context.Context
	eng *engine
	s   *segment
}

// exact returns who has a token.
func (q *query) exact(token []byte) (set, error) {
	out := newSet(len(q.s.objects))
	var page int64
	var tokens []byte
	err := q.eng.read.QueryRowContext(q.ctx, sqlPage, q.s.id, token).Scan(&page, &tokens)
	if err == sql.ErrNoRows {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	i := bytes.Index(tokens, append(append([]byte{'\n'}, token...), '\n'))
	if i < 0 {
		return out, nil
	}
	return out, q.postings(out, page, []int{bytes.Count(tokens[:i], []byte{'\n'})})
}

// postings adds those of some tokens of a page, by their places in it.
func (q *query) postings(out set, page int64, places []int) error {
	rows, err := q.eng.read.QueryContext(q.ctx, sqlPosting, q.s.id, page)
	if err != nil {
		return err
	}
	defer rows.Close()
	var data sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&data); err != nil {
			return err
		}
		rest, at := []byte(data), 0
		for _, place := range places {
			b, err := posting(rest, place-at)
			if err != nil {
				return err
			}
			if err := out.add(b); err != nil {
				return err
			}
			// What follows begins where this one ends.
			rest, at = rest[cap(rest)-cap(b)+len(b):], place+1
		}
	}
	return rows.Err()
}

// hits are the places of tokens in a page.
type hits struct {
	page   int64
	places []int
}

// words returns who has a word of the kinds that has the fragment.
func (q *query) words(f *fragment, first, last byte) (set, error) {
	out := newSet(len(q.s.objects))
	if !f.left {
		return out, q.scan(out, f, []byte{first}, []byte{last + 1}, first, last)
	}
	for kind := first; kind <= last; kind++ {
		from := append([]byte{kind}, f.text...)
		if f.right {
			has, err := q.exact(from)
			if err != nil {
				return nil, err
			}
			out.or(has)
			continue
		}
		to := append(append([]byte{kind}, f.text...), 0xff)
		if err := q.scan(out, f, from, to, kind, kind); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// scan walks over the tokens from one to another.
func (q *query) scan(out set, f *fragment, from, to []byte, first, last byte) error {
	var all []hits
	note := func(page int64, tokens []byte) {
		if list := places(tokens, f, first, last); len(list) > 0 {
			all = append(all, hits{page, list})
		}
	}
	pages, ok := [][]byte(nil), false
	var err error
	if !f.left {
		pages, ok, err = q.signed(f.text, from, to)
	}
	switch {
	case err != nil:
		return err
	case ok:
		for _, first := range pages {
			if err := q.pages(note, sqlOnePage, q.s.id, first); err != nil {
				return err
			}
		}
	default:
		if err := q.pages(note, sqlPages, q.s.id, from, to); err != nil {
			return err
		}
	}
	for _, h := range all {
		if err := q.postings(out, h.page, h.places); err != nil {
			return err
		}
	}
	return nil
}

// pages calls f with pages of tokens.
func (q *query) pages(f func(page int64, tokens []byte), query string, args ...any) error {
	rows, err := q.eng.read.QueryContext(q.ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var page int64
	var tokens sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&page, &tokens); err != nil {
			return err
		}
		f(page, tokens)
	}
	return rows.Err()
}

// places lists which of the words in a page, of the kinds, have a fragment.
func places(tokens []byte, f *fragment, first, last byte) (list []int) {
	needle := f.text
	if f.right {
		needle = append(append([]byte(nil), needle...), '\n')
	}
	at, counted := 0, 0 // line feeds before counted
	for i := 0; ; {
		k := bytes.Index(tokens[i:], needle)
		if k < 0 {
			return list
		}
		k += i
		start := bytes.LastIndexByte(tokens[:k], '\n') + 1
		end := k + bytes.IndexByte(tokens[k:], '\n')
		if kind := tokens[start]; kind >= first && kind <= last && (!f.left || k == start+1) {
			at += bytes.Count(tokens[counted:start], []byte{'\n'})
			counted = start
			list = append(list, at-1)
		}
		if i = end; f.left && k != start+1 {
			i = k + 1
		}
	}
}

package search

import (
	"bytes"
	"database/sql"
	"encoding/binary"
)

// A word's inside is looked for in all words of a segment. Beside the pages of
// a segment that comes from a merge there are therefore their signatures: which
// three octets in a row occur in a page's words, as bits of a hash. A page
// whose signature lacks one of the pattern's is not read. A segment without
// signatures is read whole.

const (
	signBits   = 13                // of the hash
	signOctets = 1 << signBits / 8 // of a page's signature
	signPages  = 32                // whose signatures are a row
	signLeast  = 3                 // octets of a pattern
	signShare  = 4                 // where one page in so many is to be read, all are, in a row
)

const (
	sqlAddSigns  = `INSERT INTO search_signs (segment, page, data) VALUES ($1, $2, $3)`
	sqlSigns     = `SELECT data FROM search_signs WHERE segment = $1 ORDER BY page`
	sqlDropSigns = `DELETE FROM search_signs WHERE segment = $1` + notLive
	sqlOnePage   = `SELECT page, tokens FROM search_words WHERE segment = $1 AND first = $2`
)

// eachSign calls f with the hashes of a text's octets, by threes.
func eachSign(text []byte, f func(h uint32)) {
	if len(text) < signLeast {
		return
	}
	x := uint32(text[0])<<8 | uint32(text[1])
	for _, c := range text[2:] {
		x = x<<8&0xffffff | uint32(c)
		f(x * 0x9e3779b1 >> (32 - signBits))
	}
}

// signs gathers signatures for a row.
type signs struct {
	page  int64 // of the first one
	pages int
	data  []byte
}

// add adds that of a page, where there are words in it.
func (s *signs) add(page int64, first, tokens []byte) {
	if first[0] > kindBody {
		return
	}
	if s.pages == 0 {
		s.page = page
	}
	s.pages++
	s.data = append(binary.AppendUvarint(s.data, uint64(len(first))), first...)
	at := len(s.data)
	s.data = append(s.data, make([]byte, signOctets)...)
	sign := s.data[at:]
	for tokens = tokens[1:]; len(tokens) > 0; {
		end := bytes.IndexByte(tokens, '\n')
		eachSign(tokens[1:end], func(h uint32) { sign[h/8] |= 1 << (h % 8) })
		tokens = tokens[end+1:]
	}
}

// putSigns writes what was gathered.
func (w *pageWriter) putSigns() error {
	s := w.signs
	if s == nil || s.pages == 0 {
		return nil
	}
	_, err := w.tx.ExecContext(w.ctx, sqlAddSigns, w.segment, s.page, s.data)
	w.written += len(s.data)
	s.pages, s.data = 0, s.data[:0]
	return err
}

// signed lists the beginnings of the pages, of those with tokens from one to
// another, that may have a text in a word; false: the segment does not say, or
// says too many.
func (q *query) signed(text, from, to []byte) (firsts [][]byte, ok bool, err error) {
	if len(text) < signLeast {
		return nil, false, nil
	}
	var hashes []uint32
	eachSign(text, func(h uint32) { hashes = append(hashes, h) })
	rows, err := q.eng.read.QueryContext(q.ctx, sqlSigns, q.s.id)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	var data sql.RawBytes
	before := false // the last of the list lies before from, as far as is known
	pages := 0
	for rows.Next() {
		if err := rows.Scan(&data); err != nil {
			return nil, false, err
		}
		for b := []byte(data); len(b) > 0; pages++ {
			n, k := binary.Uvarint(b)
			if k <= 0 || n > maxWord+1 || uint64(len(b)-k) < n+signOctets {
				return nil, false, errDamaged
			}
			first, sign := b[k:k+int(n)], b[k+int(n):][:signOctets]
			b = b[k+int(n)+signOctets:]
			if before && bytes.Compare(first, from) <= 0 {
				firsts = firsts[:len(firsts)-1]
			}
			if before = false; bytes.Compare(first, to) >= 0 || !hasSigns(sign, hashes) {
				continue
			}
			firsts = append(firsts, bytes.Clone(first))
			before = bytes.Compare(first, from) <= 0
		}
	}
	return firsts, pages > 0 && len(firsts) <= pages/signShare, rows.Err()
}

func hasSigns(sign []byte, hashes []uint32) bool {
	for _, h := range hashes {
		if sign[h/8]&(1<<(h%8)) == 0 {
			return false
		}
	}
	return true
}

package imap

import "strconv"

// Partial is a piece of a result: First to Last, counted from 1 at the begin,
// or, negative, from -1 at the end; the one nearer to that end is First (RFC
// 9394). The zero Partial is none.
type Partial struct {
	First, Last int64
}

func (d *Decoder) partial(out *Partial) bool {
	neg := d.Take('-')
	var a, b uint32
	if !d.NZNumber(&a) || !d.Byte(':') || neg && !d.Byte('-') || !d.NZNumber(&b) {
		return false
	}
	if a > b {
		a, b = b, a
	}
	*out = Partial{int64(a), int64(b)}
	if neg {
		*out = Partial{-int64(a), -int64(b)}
	}
	return true
}

// Append writes it as it is written.
func (p Partial) Append(b []byte) []byte {
	b = append(strconv.AppendInt(b, p.First, 10), ':')
	return strconv.AppendInt(b, p.Last, 10)
}

// Of returns which of n results these are: from begin, end not included.
func (p Partial) Of(n int) (begin, end int) {
	first, last := p.First, p.Last
	if first < 0 {
		first, last = int64(n)+last+1, int64(n)+first+1
	}
	first, last = max(first, 1), min(last, int64(n))
	if first > last {
		return 0, 0
	}
	return int(first - 1), int(last)
}

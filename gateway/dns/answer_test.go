package dns

import (
	"errors"
	"testing"

	wire "github.com/miekg/dns"
)

// Records that nobody can use are no denial: a domain whose mail exchangers
// all have odd names has mail exchangers (RFC 5321 section 5.1).
func TestOddRecordsAreNoDenial(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		records []string
		n       int
		err     error
	}{
		{records: []string{`d.test. 60 IN MX 10 a\013\010b.test.`}, err: ErrServFail},
		{records: []string{`d.test. 60 IN MX 10 a\.b.test.`, `d.test. 60 IN MX 10 a\032b.test.`}, err: ErrServFail},
		{records: []string{`d.test. 60 IN MX 10 a\.b.test.`, `d.test. 60 IN MX 10 a.test.`}, n: 1},
		{records: []string{`e.test. 60 IN MX 10 a\.b.test.`}, err: ErrNoData},
		{records: []string{`d.test. 60 IN CNAME e.test.`, `e.test. 60 IN MX 10 a\.b.test.`}, err: ErrServFail},
		{err: ErrNoData},
	} {
		m := new(wire.Msg)
		for _, r := range c.records {
			rr, err := wire.NewRR(r)
			if err != nil {
				t.Fatal(r, err)
			}
			m.Answer = append(m.Answer, rr)
		}
		a, err := readAnswer(m, "d.test", TypeMX, true)
		if len(a.Records) != c.n || !errors.Is(err, c.err) {
			t.Errorf("%q: %v, %v, want %d and %v", c.records, a.Records, err, c.n, c.err)
		}
	}
}

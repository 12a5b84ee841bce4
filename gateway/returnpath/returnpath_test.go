package returnpath

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

var start = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func signer(t testing.TB, ids ...int) *Signer {
	t.Helper()
	if len(ids) == 0 {
		ids = []int{1}
	}
	var keys []Key
	for _, id := range ids {
		keys = append(keys, Key{ID: id, Secret: bytes.Repeat([]byte{byte(id + 1)}, 32)})
	}
	s, err := New(keys, 7)
	if err != nil {
		t.Fatal(err)
	}
	s.now = func() time.Time { return start }
	return s
}

func at(s *Signer, days int) *Signer {
	c := *s
	c.now = func() time.Time { return start.AddDate(0, 0, days) }
	return &c
}

func addr(t testing.TB, s string) smtp.Address {
	t.Helper()
	a, err := smtp.ParseMailbox(s, smtp.UTF8)
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return a
}

func TestSignedAddressComesBack(t *testing.T) {
	t.Parallel()
	s := signer(t)
	a := addr(t, "anna.b+x=y@example.org")
	signed, ok := s.Sign(a)
	if !ok || !strings.HasPrefix(signed.Local, "prvs=1") || signed.Domain != a.Domain || !IsSigned(signed) || IsSigned(a) {
		t.Fatalf("signed %s, %v", signed, ok)
	}
	for _, c := range []string{signed.String(), strings.ToLower(signed.String()), strings.ToUpper(signed.String())} {
		got, err := s.Verify(addr(t, c))
		if err != nil || !strings.EqualFold(got.String(), a.String()) {
			t.Errorf("%s: %s, %v", c, got, err)
		}
	}
	for days, want := range map[int]error{0: nil, 7: nil, 8: ErrExpired, 400: ErrExpired} {
		if _, err := at(s, days).Verify(signed); !errors.Is(err, want) {
			t.Errorf("after %d days: %v", days, err)
		}
	}
	if _, ok := s.Sign(signed); ok {
		t.Error("signed twice")
	}
}

func TestForgedAddressesAreKnown(t *testing.T) {
	t.Parallel()
	s := signer(t)
	signed, _ := s.Sign(addr(t, "anna@example.org"))
	for i := range len("prvs=") + tagLength {
		if i < len("prvs=") {
			continue
		}
		for _, c := range "0123456789abcdef" {
			b := []byte(signed.Local)
			if b[i] == byte(c) {
				continue
			}
			b[i] = byte(c)
			if got, err := s.Verify(smtp.Address{Local: string(b), Domain: signed.Domain}); err == nil {
				t.Errorf("%s is taken for %s", b, got)
			}
		}
	}
	for _, c := range []string{strings.Replace(signed.String(), "anna", "bob", 1), strings.Replace(signed.String(), "example.org", "example.net", 1)} {
		if _, err := s.Verify(addr(t, c)); !errors.Is(err, ErrForged) {
			t.Errorf("%s: %v", c, err)
		}
	}
	for _, c := range []string{"anna@example.org", "prvs=@example.org", "prvs=1234=anna@example.org", "prvs=1234567890=@example.org", "prvs=x234567890=anna@example.org"} {
		a := smtp.Address{}
		a.Local, a.Domain, _ = strings.Cut(c, "@")
		if _, err := s.Verify(a); !errors.Is(err, ErrNotSigned) {
			t.Errorf("%s: %v", c, err)
		}
	}
	verp, _ := s.SignVERP(addr(t, "a@example.org"), addr(t, "b@c.example"))
	for _, c := range []string{strings.Replace(verp.String(), "=b=", "=e=", 1), strings.Replace(verp.String(), "c.example", "d.example", 1), "z" + verp.String()} {
		if _, _, err := s.VerifyVERP(addr(t, c)); !errors.Is(err, ErrForged) {
			t.Errorf("%s: %v", c, err)
		}
	}
	if _, _, err := at(s, 8).VerifyVERP(verp); !errors.Is(err, ErrExpired) {
		t.Errorf("VERP of last week: %v", err)
	}
	if _, err := s.Verify(verp); !errors.Is(err, ErrNotSigned) {
		t.Errorf("VERP as BATV: %v", err)
	}
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	old, both, late := signer(t, 1), signer(t, 2, 1), signer(t, 2)
	a := addr(t, "anna@example.org")
	signed, _ := old.Sign(a)
	if _, err := both.Verify(signed); err != nil {
		t.Errorf("with the old key kept: %v", err)
	}
	if _, err := late.Verify(signed); !errors.Is(err, ErrForged) {
		t.Errorf("with the old key gone: %v", err)
	}
	if s, _ := both.Sign(a); !strings.HasPrefix(s.Local, "prvs=2") {
		t.Errorf("signed with the old key: %s", s)
	}
	from, _ := old.Forward(smtp.ReversePath{Address: addr(t, "x@far.example")}, "example.org")
	if _, err := both.Reverse(from.Address); err != nil {
		t.Errorf("SRS with the old key kept: %v", err)
	}
	if _, err := late.Reverse(from.Address); !errors.Is(err, ErrForged) {
		t.Errorf("SRS with the old key gone: %v", err)
	}
}

func TestBadKeysAreRefused(t *testing.T) {
	t.Parallel()
	good := bytes.Repeat([]byte{1}, 32)
	for name, keys := range map[string][]Key{"none": nil, "short": {{ID: 1, Secret: good[:15]}}, "number": {{ID: 10, Secret: good}}, "twice": {{ID: 1, Secret: good}, {ID: 1, Secret: good}}} {
		if _, err := New(keys, 0); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := New([]Key{{ID: 1, Secret: good}}, maxDays+1); err == nil {
		t.Error("too many days: no error")
	}
}

func TestForwardedAndBack(t *testing.T) {
	t.Parallel()
	s, other := signer(t), signer(t, 5)
	from := smtp.ReversePath{Address: addr(t, "alice@wonder.example")}
	one, ok := s.Forward(from, "one.example")
	if !ok || !strings.HasPrefix(one.Local, "SRS0=") || !strings.HasSuffix(one.Local, "=wonder.example=alice") || one.Domain != "one.example" {
		t.Fatalf("forwarded as %s, %v", one, ok)
	}
	two, ok := other.Forward(one, "two.example")
	if !ok || !strings.HasPrefix(two.Local, "SRS1=") {
		t.Fatalf("forwarded again as %s, %v", two, ok)
	}
	three, ok := s.Forward(two, "three.example")
	if !ok || !strings.Contains(three.Local, "=one.example==") || strings.Contains(three.Local, "two.example") {
		t.Fatalf("a third time as %s, %v", three, ok)
	}
	back, err := s.Reverse(three.Address)
	if err != nil || !back.Equal(one.Address) {
		t.Errorf("back from three: %s, %v; want %s", back, err, one)
	}
	if back, err = s.Reverse(addr(t, strings.ToLower(back.String()))); err != nil || !back.Equal(from.Address) {
		t.Errorf("back from one: %s, %v", back, err)
	}
	if _, err := at(s, SRSDays).Reverse(one.Address); err != nil {
		t.Errorf("on the last day: %v", err)
	}
	if _, err := at(s, SRSDays+1).Reverse(one.Address); !errors.Is(err, ErrExpired) {
		t.Errorf("a day later: %v", err)
	}
	if _, err := s.Reverse(two.Address); !errors.Is(err, ErrForged) {
		t.Errorf("another's: %v", err)
	}
	for _, sep := range []string{"+", "-"} { // as others write it
		foreign := smtp.ReversePath{Address: smtp.Address{Local: "SRS0" + sep + "abcd=XY=far.example=joe", Domain: "f.example"}}
		again, ok := s.Forward(foreign, "one.example")
		if back, err := s.Reverse(again.Address); !ok || err != nil || !back.Equal(foreign.Address) {
			t.Errorf("%s forwarded as %s comes back as %s, %v", foreign, again, back, err)
		}
	}
}

func TestWhatIsNotForwardedAnew(t *testing.T) {
	t.Parallel()
	s := signer(t)
	for _, from := range []smtp.Address{{}, addr(t, "a@one.example"), addr(t, `"a b"@far.example`), addr(t, "bü@far.example"), addr(t, "a@[192.0.2.1]"), addr(t, strings.Repeat("a", 50)+"@far.example")} {
		if got, ok := s.Forward(smtp.ReversePath{Address: from}, "one.example"); ok || got.Address != from {
			t.Errorf("%s forwarded as %s", from, got)
		}
	}
	long := addr(t, strings.Repeat("a", 49)+"@example.org")
	if got, ok := s.Sign(long); ok || got != long {
		t.Errorf("%s signed as %s", long, got)
	}
}

// TestPrintedIsParsed is parse(print(x)) == x for all three forms.
func TestPrintedIsParsed(t *testing.T) {
	t.Parallel()
	s := signer(t)
	r := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		const chars = "abcXYZ019-_=+.!#$%&'*/?^`{|}~"
		b := make([]byte, 1+r.IntN(20))
		for i := range b {
			b[i] = chars[r.IntN(len(chars))]
		}
		return strings.ReplaceAll("a"+string(b)+"z", "..", ".a")
	}
	signed, verp, forwarded := 0, 0, 0
	for range 5000 {
		a := smtp.Address{Local: word(), Domain: fmt.Sprintf("d%d.example", r.IntN(100))}
		b := smtp.Address{Local: word(), Domain: fmt.Sprintf("r%d.example", r.IntN(100))}
		if !plain(a.Local) || !plain(b.Local) {
			continue
		}
		if x, ok := s.Sign(a); ok {
			signed++
			if got, err := s.Verify(x); err != nil || got != a || len(x.Local) > smtp.MaxLocalPart {
				t.Fatalf("%s signed as %s is read as %s, %v", a, x, got, err)
			}
		}
		if x, ok := s.SignVERP(a, b); ok {
			verp++
			if f, g, err := s.VerifyVERP(x); err != nil || f != a || g != b || len(x.Local) > smtp.MaxLocalPart {
				t.Fatalf("%s to %s signed as %s is read as %s to %s, %v", a, b, x, f, g, err)
			}
		}
		if x, ok := s.Forward(smtp.ReversePath{Address: a}, "f.example"); ok && !isSRS(a.Local) {
			forwarded++
			if got, err := s.Reverse(x.Address); err != nil || got != a || len(x.Local) > smtp.MaxLocalPart {
				t.Fatalf("%s forwarded as %s is read as %s, %v", a, x, got, err)
			}
		}
	}
	if signed < 1000 || verp < 1000 || forwarded < 1000 {
		t.Errorf("%d signed, %d VERP, %d forwarded", signed, verp, forwarded)
	}
}

func TestStoreKeepsKeys(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	db, err := sqldb.Open(ctx, sqldb.Options{Dir: dir, URL: sqldbtest.URL(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	st, err := Open(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	first, err := st.Keys(ctx)
	if err != nil || len(first) != 1 || len(first[0].Secret) != secretSize {
		t.Fatalf("keys %v, %v", first, err)
	}
	if st, err = Open(ctx, db); err != nil {
		t.Fatal(err)
	}
	if err := st.RotateOld(ctx, time.Hour); err != nil {
		t.Fatal(err)
	}
	if keys, _ := st.Keys(ctx); len(keys) != 1 {
		t.Error("a young key was replaced")
	}
	if err := st.RotateOld(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if keys, _ := st.Keys(ctx); len(keys) != 2 || keys[1].ID != first[0].ID {
		t.Error("an old key was not replaced")
	}
	for range 12 {
		if err := st.Rotate(ctx); err != nil {
			t.Fatal(err)
		}
		keys, err := st.Keys(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := New(keys, 0); err != nil {
			t.Fatal(err)
		}
	}
	if keys, _ := st.Keys(ctx); len(keys) != keepKeys+1 {
		t.Errorf("%d keys are kept", len(keys))
	}
}

// TestSignerFollowsTheStore: a gateway may run for years.
func TestSignerFollowsTheStore(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	dir := t.TempDir()
	db, err := sqldb.Open(ctx, sqldb.Options{Dir: dir, URL: sqldbtest.URL(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	st, err := Open(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	s, err := st.Signer(0)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := s.Sign(addr(t, "anna@example.org"))
	made := func(at time.Time) {
		t.Helper()
		err := db.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE returnpath_keys SET made = ?", at.Unix())
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := st.RotateOld(ctx, 90*24*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	key := func() string {
		x, _ := s.Sign(addr(t, "anna@example.org"))
		return x.Local[:len("prvs=1")]
	}
	made(time.Now().Add(-89 * 24 * time.Hour))
	if key() != before.Local[:len("prvs=1")] {
		t.Error("a key was replaced too early")
	}
	made(time.Now().Add(-91 * 24 * time.Hour))
	second := key()
	if second == before.Local[:len("prvs=1")] {
		t.Error("an old key still signs")
	}
	if _, err := s.Verify(before); err != nil {
		t.Errorf("what the old key signed: %v", err)
	}
	made(time.Now().Add(10 * 365 * 24 * time.Hour))
	if key() == second {
		t.Error("a key that a wrong clock dated still signs")
	}
}

func FuzzReturnPath(f *testing.F) {
	s := signer(f)
	for _, a := range []string{"anna@example.org", "prvs=1234567890=anna@example.org", "a+v1234567890=b=c.example@example.org", "SRS0=ABCDEF=AB=c.example=b@example.org", "SRS1=ABCDEF=c.example==X=AB=d.example=b@example.org"} {
		f.Add(a)
	}
	f.Fuzz(func(t *testing.T, in string) {
		var a smtp.Address
		a.Local, a.Domain, _ = strings.Cut(in, "@")
		if got, err := s.Verify(a); err == nil {
			if again, ok := s.Sign(got); !ok && len(got.Local) < 40 && plain(got.Local) && !IsSigned(got) {
				t.Fatalf("%q verifies as %q, which is not signed as %q", a, got, again)
			}
		}
		_, _, _ = s.VerifyVERP(a)
		_, _ = s.Reverse(a)
		if x, ok := s.Forward(smtp.ReversePath{Address: a}, "f.example"); ok {
			if _, err := s.Reverse(x.Address); err != nil && !isSRS(a.Local) {
				t.Fatalf("%q is forwarded as %q, which comes back as %v", a, x, err)
			}
		}
	})
}

func BenchmarkSignVerify(b *testing.B) {
	s := signer(b)
	a := addr(b, "anna@example.org")
	b.ReportAllocs()
	for b.Loop() {
		x, _ := s.Sign(a)
		if _, err := s.Verify(x); err != nil {
			b.Fatal(err)
		}
	}
}

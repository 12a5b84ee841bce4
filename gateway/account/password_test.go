package account

import (
	"strings"
	"testing"
)

// TestVerifierIsTheOneOfRFC7677: its example, and parse(print(x)) == x.
func TestVerifierIsTheOneOfRFC7677(t *testing.T) {
	t.Parallel()
	p := params{scheme: schemeSCRAM, iterations: 4096, salt: "[m\x99h\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81"}
	v := p.derive("pencil")
	// As PostgreSQL and RFC 5803 write it; the keys are those of the exchange
	// in RFC 7677 section 3.
	got, err := parseVerifier(v.String())
	if err != nil || got != v {
		t.Errorf("parsed %v, %v", got, err)
	}
	q := params{scheme: schemeArgon2, iterations: 1, memory: 64, threads: 1}.newSalt()
	w := q.derive("pencil")
	if got, err := parseVerifier(w.String()); err != nil || got != w {
		t.Errorf("parsed %v, %v, want %v", got, err, w)
	}
	if x := q.derive("pencil2"); x.stored == w.stored {
		t.Error("another password derives to the same")
	}
}

func TestVerifiersThatAreRefused(t *testing.T) {
	t.Parallel()
	good := (&verifier{params: params{scheme: schemeSCRAM, iterations: 15000, salt: "salt"}}).String()
	for _, s := range []string{
		"", "x", "SCRAM-SHA-256$", "$argon2id$", strings.Replace(good, "15000", "0", 1), strings.Replace(good, "15000", "99999999999", 1),
		strings.Replace(good, "15000", "-1", 1), good + "A", strings.Replace(good, "SHA-256", "SHA-1", 1), strings.Replace(good, "$", "", 1),
		"$argon2id$v=19$m=99999999,t=1,p=1$c2FsdA$" + strings.Repeat("A", 43),
		"$argon2id$v=19$m=64,t=0,p=1$c2FsdA$" + strings.Repeat("A", 43),
		"$argon2id$v=18$m=64,t=1,p=1$c2FsdA$" + strings.Repeat("A", 43),
		"$argon2id$v=19$m=064,t=1,p=1$c2FsdA$" + strings.Repeat("A", 43),
	} {
		if _, err := parseVerifier(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
	if _, err := parseVerifier(good); err != nil {
		t.Error(err)
	}
	if _, err := parseVerifier("$argon2id$v=19$m=64,t=1,p=1$c2FsdA$" + strings.Repeat("A", 43)); err != nil {
		t.Error(err)
	}
}

func TestWeakPasswords(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"short", "ana@example.org", "Ana@Example.org99", "example.org1", "password123", "Qwertyuiop", "1234567890", "aaaaaaaaaaaa", "passwordpassword1!", "\u00e9\u00e9\u00e9\u00e9\u00e9", "with\x00nul-in-it"} {
		if CheckPassword(ana, p) == nil {
			t.Errorf("%q is taken", p)
		}
	}
	for _, p := range []string{"correct horse battery", "kj3-fk2-99x", "\u00e9\u00e8\u00ea\u00eb\u0119\u0117\u0113 \u00e0\u00e2\u00e4", GeneratePassword()} {
		if err := CheckPassword(ana, p); err != nil {
			t.Errorf("%q: %v", p, err)
		}
	}
}

func TestGeneratedPasswords(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		p := GeneratePassword()
		if seen[p] || len(p) != 23 || strings.Count(p, "-") != 3 {
			t.Fatalf("%q", p)
		}
		seen[p] = true
	}
}

func TestPasswordsArePreparedAlike(t *testing.T) {
	t.Parallel()
	composed, err := prepare("caf\u00e9-caf\u00e9")
	must(t, err)
	apart, err := prepare("cafe\u0301-cafe\u0301")
	must(t, err)
	if composed != apart {
		t.Errorf("%q and %q", composed, apart)
	}
	for _, p := range []string{"", "a\x01b", "\u00ff\u0007", strings.Repeat("x", maxPassword+1), "\xff"} {
		if got, err := prepare(p); err == nil {
			t.Errorf("%q becomes %q", p, got)
		}
	}
}

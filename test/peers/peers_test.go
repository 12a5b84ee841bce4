package peers

import "testing"

// seen is a test that notes how it ends.
type seen struct {
	testing.TB
	skipped, failed bool
}

func (s *seen) Helper()               {}
func (s *seen) Skip(...any)           { s.skipped = true }
func (s *seen) Skipf(string, ...any)  { s.skipped = true }
func (s *seen) Fatalf(string, ...any) { s.failed = true; panic("ends here") }

func TestMissingFailsWherePeersAreRequired(t *testing.T) {
	t.Setenv("GAPURA_PEERS", "")
	s := &seen{}
	Tool(s, "no-such-program-of-this-name")
	if !s.skipped || s.failed {
		t.Errorf("%+v", s)
	}
	t.Setenv("GAPURA_PEERS", "required")
	s = &seen{}
	func() {
		defer func() { _ = recover() }()
		Missing(s, "no peer")
	}()
	if s.skipped || !s.failed {
		t.Errorf("%+v", s)
	}
}

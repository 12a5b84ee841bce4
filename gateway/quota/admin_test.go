package quota

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAdministratorsSeeAndReset(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		db := database(t)
		opt := limited(Limits{MessagesHour: 3, MessagesDay: 4})
		q := open(t, db, opt, nil)
		defer closeAll(t, q, db)
		for range 5 {
			send(t, q, ana, "bob", "eve")
		}
		send(t, q, Sender{IP: netip.MustParseAddr("2001:db8::1")}, "x")
		time.Sleep(2 * flushAfter)
		synctest.Wait()
		admin, err := NewAdmin(t.Context(), opt, db)
		if err != nil {
			t.Fatal(err)
		}
		s, err := admin.Show(t.Context(), "ana@EXAMPLE.org")
		if err != nil || s.Hour != (Sent{3, 6, 0, 2}) || s.Day != (Sent{3, 6, 0, 2}) || s.Limits != opt.User || s.Held != "" {
			t.Errorf("%+v, %v", s, err)
		}
		var names []string
		list := func(held bool) string {
			t.Helper()
			names = nil
			if err := admin.List(t.Context(), held, func(s Status) error { names = append(names, s.Subject); return nil }); err != nil {
				t.Fatal(err)
			}
			return strings.Join(names, " ")
		}
		if got := list(false); got != "2001:db8::/64 ana@example.org example.org" {
			t.Errorf("list %s", got)
		}
		if err := admin.Hold(t.Context(), "2001:db8::5", "by hand"); err != nil {
			t.Fatal(err)
		}
		if got := list(true); got != "2001:db8::/64" {
			t.Errorf("held %s", got)
		}
		time.Sleep(2 * followEvery)
		if _, g := send(t, q, Sender{IP: netip.MustParseAddr("2001:db8::7")}, "x"); g.Hold != "quota: 2001:db8::/64: by hand" {
			t.Errorf("hold %q", g.Hold)
		}
		if err := admin.Reset(t.Context(), "ana@example.org"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * followEvery)
		for i := range 4 {
			if r, _ := send(t, q, ana, "bob"); r.IsZero() != (i < 3) {
				t.Errorf("message %d after the reset: %v", i, r)
			}
		}
		time.Sleep(2 * flushAfter)
		synctest.Wait()
		if s, err = admin.Show(t.Context(), "ana@example.org"); err != nil || s.Day.Messages != 3 {
			t.Errorf("%+v, %v", s, err)
		}
		// A gateway that is told neither lags nor is behind.
		send(t, q, Sender{IP: netip.MustParseAddr("2001:db8::1")}, "x")
		if err := q.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s, err = admin.Show(t.Context(), "2001:db8::/64"); err != nil || s.Day.Messages != 3 {
			t.Errorf("%+v, %v", s, err)
		}
		if err := admin.Release(t.Context(), "2001:db8::5"); err != nil {
			t.Fatal(err)
		}
		if err := q.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, g := send(t, q, Sender{IP: netip.MustParseAddr("2001:db8::7")}, "x"); g.Hold != "" {
			t.Errorf("hold %q", g.Hold)
		}
		if _, err := admin.Show(t.Context(), "no name"); !errors.Is(err, ErrSubject) {
			t.Error(err)
		}
	})
}

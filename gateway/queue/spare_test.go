package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// refusedCopy is a copy of refused mail, with a body of so many octets.
func refusedCopy(size int, to ...string) *gateway.Copy {
	c := keptCopy("a@example.org", "f:1 odd", to...)
	body := mail + strings.Repeat("x", size)
	c.Size, c.Open = int64(len(body)), func() io.ReadCloser { return io.NopCloser(strings.NewReader(body)) }
	for _, k := range c.Kept {
		k.Reason = "550 5.7.1 Not for you"
	}
	return c
}

// fits tells whether a copy of refused mail is kept.
func (l *lab) fits(c *gateway.Copy) bool {
	l.t.Helper()
	d := l.q.Delivery("")
	defer d.Abort()
	_, err := d.Commit(context.Background(), c)
	if err != nil && !errors.Is(err, gateway.ErrNotKept) {
		l.t.Fatal(err)
	}
	settle()
	return err == nil
}

// takes checks that what is counted is what the rows say, and returns it.
func (l *lab) takes() int64 {
	l.t.Helper()
	var sum int64
	if err := l.db.Read().QueryRow(context.Background(), `SELECT COALESCE(SUM(takes), 0) FROM queue_waiting`).Scan(&sum); err != nil {
		l.t.Fatal(err)
	}
	if n := l.q.taken(); n != sum {
		l.t.Errorf("%d octets are counted, rows take %d", n, sum)
	}
	return sum
}

const bound = 1 << 20

// TestRefusedMailDoesNotFillTheDisk: past the bound no copy of it is stored, after a
// restart too; a rule's copies are. What is removed, released or expires makes room.
func TestRefusedMailDoesNotFillTheDisk(t *testing.T) {
	in(t, Options{Refused: bound, Quarantine: 48 * time.Hour}, func(t *testing.T, l *lab) {
		var told bytes.Buffer
		l.log = slog.New(slog.NewTextHandler(&told, nil))
		restart := func() {
			l.close()
			l.open()
			l.start()
		}
		restart()
		reg := prometheus.NewRegistry()
		l.q.metrics = NewMetrics(reg)
		const half = bound/2 - 4096
		if !l.fits(refusedCopy(half, "1@x.test")) || !l.fits(refusedCopy(half, "2@x.test")) {
			t.Fatal("what fits is not kept")
		}
		before, octets := l.takes(), l.blobs.Usage().Total
		for range 3 {
			if l.fits(refusedCopy(half, "3@x.test", "4@x.test")) {
				t.Error("what does not fit is kept")
			}
		}
		if n := l.takes(); n != before || l.blobs.Usage().Total != octets || before > bound {
			t.Errorf("%d octets, then %d; %d stored, then %d", before, n, octets, l.blobs.Usage().Total)
		}
		dropped := 0.0
		families, err := reg.Gather()
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == "gapura_quarantine_total" && m.GetLabel()[0].GetValue() == "dropped" {
					dropped = m.GetCounter().GetValue()
				}
			}
		}
		if dropped != 6 || err != nil {
			t.Errorf("%v copies are counted as dropped, %v", dropped, err)
		}
		warnings := func() int { return strings.Count(told.String(), "quarantine full") }
		if n := warnings(); n != 1 {
			t.Errorf("told %d times", n)
		}
		time.Sleep(time.Hour)
		l.fits(refusedCopy(half, "3@x.test"))
		if l.fits(refusedCopy(half, "3@x.test")); warnings() != 2 {
			t.Errorf("told %d times in two hours", warnings())
		}
		if l.keep(keptCopy("a@example.org", "f:1 odd", "rule@x.test")); !strings.Contains(l.apart(), "rule@x.test") {
			t.Error("a rule's copy is not kept")
		}
		restart()
		if n := l.takes(); n != before || l.fits(refusedCopy(half, "3@x.test")) {
			t.Errorf("after a restart: %d of %d", n, before)
		}
		l.act(Remove, Filter{State: Quarantined, To: "1@x.test"})
		settle()
		if l.takes(); !l.fits(refusedCopy(half, "5@x.test")) || l.fits(refusedCopy(half, "6@x.test")) {
			t.Error("what is removed makes room, for one")
		}
		l.act(Release, Filter{State: Quarantined, To: "2@x.test"})
		settle()
		if l.takes(); len(l.next.all()) != 1 || !l.fits(refusedCopy(half, "7@x.test")) || l.fits(refusedCopy(half, "8@x.test")) {
			t.Error("what is released makes room, for one")
		}
		time.Sleep(49 * time.Hour)
		settle()
		if n := l.takes(); n != 0 || l.apart() != "" || l.q.spare.taken != 0 {
			t.Errorf("%d octets are left of nothing", n)
		}
		restart()
		if n := l.takes(); n != 0 || l.fits(refusedCopy(bound, "9@x.test")) || !l.fits(refusedCopy(half, "9@x.test")) {
			t.Errorf("%d octets", n)
		}
		l.q.Reconfigure(Options{Refused: -1}, "mx.example.org", leadOut)
		if l.fits(refusedCopy(0, "10@x.test")) {
			t.Error("something is kept where nothing is to be")
		}
	})
}

// TestRefusedMailToManyIsStoredOnce, and so it counts, but that each has a row.
func TestRefusedMailToManyIsStoredOnce(t *testing.T) {
	in(t, Options{Refused: bound}, func(t *testing.T, l *lab) {
		var many []string
		for i := range 100 {
			many = append(many, fmt.Sprintf("u%d@x.test", i))
		}
		if !l.fits(refusedCopy(bound/2, many...)) {
			t.Fatal("not kept")
		}
		rows := l.takes() - bound/2
		if rows < 100*spareRow || rows > 100*4*spareRow {
			t.Errorf("rows take %d", rows)
		}
		n := 0
		for l.fits(refusedCopy(0, many...)) {
			n++
		}
		if n < 2 || n > 10 {
			t.Errorf("%d more messages of no size", n)
		}
		if n, err := l.q.Act(t.Context(), Change{Action: Remove, Filter: Filter{State: Quarantined}}, nil); err != nil || n < 300 {
			t.Error(n, err)
		}
		settle()
		if n := l.takes(); n != 0 {
			t.Errorf("%d octets are left of nothing", n)
		}
	})
}

// TestWhatIsNotStoredTakesNothing: what is given up, and what cannot be written.
func TestWhatIsNotStoredTakesNothing(t *testing.T) {
	in(t, Options{Refused: bound}, func(t *testing.T, l *lab) {
		l.q.notes = nil // it needs no database
		d := l.q.Delivery("")
		c := refusedCopy(100, "a@x.test", "b@x.test")
		if err := d.Prepare(t.Context(), c); err != nil || l.q.taken() == 0 {
			t.Fatal(err, l.q.taken())
		}
		d.Abort()
		settle()
		if n := l.takes(); n != 0 {
			t.Errorf("%d octets, given up", n)
		}
		bad := refusedCopy(100, "a@x.test")
		bad.Size++
		if _, err := d.Commit(t.Context(), bad); err == nil {
			t.Error("stored")
		}
		write := l.q.write
		l.q.write = func(context.Context, func(context.Context, *sqldb.Tx) error) error { return errors.New("gone") }
		if _, err := d.Commit(t.Context(), refusedCopy(100, "a@x.test")); err == nil {
			t.Error("stored")
		}
		if n := l.q.taken(); n != 0 {
			t.Errorf("%d octets, not stored", n)
		}
		l.q.write = write
		time.Sleep(time.Minute)
		settle()
		if n := l.takes(); n != 0 {
			t.Errorf("%d octets, not stored", n)
		}
	})
}

// TestBoundOnRefusedMailAfterACrash: what had been promised and not moved yet counts;
// rows of versions before, which do not say what they take, do no harm.
func TestBoundOnRefusedMailAfterACrash(t *testing.T) {
	in(t, Options{Refused: bound}, func(t *testing.T, l *lab) {
		if !l.fits(refusedCopy(1000, "a@x.test")) {
			t.Fatal("not kept")
		}
		one := l.takes()
		ref := blob.Ref{}
		for r, err := range Live(t.Context(), l.db, nil) {
			if err != nil {
				t.Fatal(err)
			}
			ref = r
		}
		list, err := l.q.entriesOf(refusedCopy(1000, "b@x.test"), "")
		if err != nil {
			t.Fatal(err)
		}
		list[0].msg.ref = ref
		err = l.db.Write(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, sqlInsertNew, l.q.newRow(list[0], false)...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		l.close()
		l.open()
		if n := l.takes(); n != 2*one {
			t.Errorf("one takes %d, both %d", one, n)
		}
		err = l.db.Write(t.Context(), func(ctx context.Context, tx *sqldb.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE queue_waiting SET takes = 0 WHERE domain = ?`, "x.test")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		l.close()
		l.open()
		l.act(Remove, Filter{State: Quarantined, To: "a@x.test"})
		settle()
		if n := l.takes(); n != 0 || l.apart() != "b@x.test" {
			t.Errorf("%d octets, %s", n, l.apart())
		}
	})
}

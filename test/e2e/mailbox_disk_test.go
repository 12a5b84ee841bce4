package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// filled does one thing again and again until more says no; what was answered
// OK is in the ledger, what was refused is not. It returns how many were and
// the last refusal.
func filled(t testing.TB, c *imapLine, l *ledger, size int, more func(taken, refused int) bool) (taken, refused int, last refusal) {
	t.Helper()
	x := &trial{t: t}
	for more(taken, refused) {
		d := l.begin(&deed{kind: "append", to: "INBOX", marks: []string{markOf(0)}})
		err := x.answer(c, l, d, "APPEND INBOX"+literals(summed(d.marks[0], size)))
		if errors.As(err, &last) {
			l.refused(d)
			refused++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		taken++
	}
	return taken, refused, last
}

// mailed delivers messages until more says no.
func mailed(t testing.TB, g *gapura, l *ledger, size int, more func(taken, refused int) bool) (taken, refused int) {
	t.Helper()
	for i := 0; more(taken, refused); i++ {
		mark := markOf(0)
		switch r := dial(t, g.smtp).mail("ann@sender.test", l.user, summed(mark, size)); r.code {
		case 250:
			l.mailed[mark] = true
			taken++
		case 451, 452:
			refused++
			l.said = append(l.said, r.String())
		default:
			t.Fatalf("%d accepted, then %s", taken, r)
		}
	}
	return taken, refused
}

// allThere compares a user's mailbox with the ledger and has the store checked.
func allThere(t testing.TB, g *gapura, l *ledger) {
	t.Helper()
	x := &trial{t: t, g: g, ledgers: []*ledger{l}, knew: map[string]*watched{}, watching: []*watched{nil}}
	x.verify(0)
	storeClean(t, g, "running")
}

// loggedIn connects as a user.
func loggedIn(t testing.TB, g *gapura, user string) *imapLine {
	t.Helper()
	c, err := dialIMAP(g.imap(), user, "secret-word")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.conn.Close() })
	return c
}

// keptOnSmallDisk is a gateway whose mailboxes are on a small disk.
func keptOnSmallDisk(t *testing.T) (data, ballast string, g *gapura, l *ledger) {
	t.Helper()
	const user = "ana@kept.test"
	dir := folder(t)
	data, ballast = smallDisk(t, dir)
	return data, ballast, serveKeptIn(t, dir, "", user), newLedger(user, 1, trialFolders...)
}

// TestMailboxDiskFull: with no room left mail is refused for now, by SMTP and
// IMAP, nothing is half there, what is there can be read and expunged, and
// when there is room again mail is taken again, with nobody's help, even where the
// search index, which lacks as much as would take all that room, comes first.
func TestMailboxDiskFull(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"mail", "index"} {
		t.Run(first+" comes first", func(t *testing.T) {
			t.Parallel()
			mailboxDiskFull(t, first == "index")
		})
	}
}

func mailboxDiskFull(t *testing.T, indexFirst bool) {
	data, ballast, g, l := keptOnSmallDisk(t)
	c := loggedIn(t, g, l.user)
	mailed(t, g, l, 1000, func(taken, _ int) bool { return taken < 10 })
	allThere(t, g, l) // the ledger knows the UIDs now
	taken, refused, said := filled(t, c, l, 100<<10, func(_, refused int) bool { return refused < 5 })
	// Small ones, too, until nothing at all fits any more.
	few, _, said2 := filled(t, c, l, 300, func(_, refused int) bool { return refused < 50 })
	put, putOff := mailed(t, g, l, 20<<10, func(_, refused int) bool { return refused < 10 })
	t.Logf("%d and %d appended, %d delivered until the disk was full; then %q, %q and %d put off", taken, few, put, said, said2, putOff)
	if taken == 0 || refused == 0 || !strings.Contains(string(said), "no space left") || !strings.Contains(string(said2), "no space left") {
		t.Errorf("%d appended, %d refused, %q", taken, refused, said)
	}
	if len(l.said) == 0 || !strings.HasPrefix(l.said[len(l.said)-1], "452 4.3.1") {
		t.Errorf("%q", l.said)
	}
	if _, err := readFolder(t, c, "INBOX"); err != nil {
		t.Errorf("reading: %v", err)
	}
	moved := uidsOf(l, "INBOX", 3)
	for _, command := range []string{"UID COPY %s Archive", "UID MOVE %s Archive", `UID STORE %s FLAGS (\Flagged)`} { // COPY OK or NO, nothing half
		kind := strings.ToLower(strings.Fields(command)[1])
		d := &deed{kind: kind, from: "INBOX", to: "Archive", uids: moved, marks: marksOf(l, "INBOX", moved)}
		if kind == "store" {
			d.to, d.marks = `\Flagged`, nil
		}
		if kind == "store" && len(moved) > 0 && l.folders["INBOX"].have[moved[0]].mark == "" {
			continue // they were moved
		}
		l.begin(d)
		err := (&trial{t: t}).answer(c, l, d, fmt.Sprintf(command, setOf(moved)))
		var no refusal
		if errors.As(err, &no) {
			l.refused(d)
			if kind != "copy" {
				t.Errorf("%s on the full disk: %s", kind, no)
			}
		} else if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s on the full disk: %v", kind, err)
	}
	expunged(t, c, l, uidsOf(l, "INBOX", 20))
	if _, err := os.Stat(filepath.Join(data, "mail", "reserve")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the reserve is still there: %v", err)
	}
	if _, refused, said := filled(t, c, l, 300, func(a, b int) bool { return a+b < 1 }); refused == 0 {
		t.Error("what was kept back to remove mail is filled with mail")
	} else if !strings.Contains(string(said), "no space left") {
		t.Errorf("%q", said)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if indexFirst {
		eventually(t, "the reserve to be there again", func() bool {
			_, err := os.Stat(filepath.Join(data, "mail", "reserve"))
			return err == nil
		})
	}
	if n, no, said := filled(t, c, l, 10<<10, func(taken, refused int) bool { return taken < 10 && refused < 20 }); no > 0 || n < 10 {
		t.Errorf("with room again %d appended, %d refused: %s", n, no, said)
	}
	if n, no := mailed(t, g, l, 10<<10, func(taken, refused int) bool { return taken < 10 && refused < 20 }); no > 0 || n < 10 {
		t.Errorf("with room again %d delivered, %d put off", n, no)
	}
	allThere(t, g, l)
	if info, err := os.Stat(filepath.Join(data, "mail", "reserve")); err != nil || info.Size() < 1<<20 {
		t.Errorf("the reserve is not there again: %v", err)
	}
	g.kill()
	g.start()
	allThere(t, g, l)
}

// TestStartOnAFullDisk: whether it had ended or was killed, with its search
// index or without, and when what is kept back for it is gone already, the
// gateway starts and lets people read and remove; mail is put off until there is
// room, and then searches find what came meanwhile.
func TestStartOnAFullDisk(t *testing.T) {
	t.Parallel()
	data, ballast, g, l := keptOnSmallDisk(t)
	mailed(t, g, l, 1000, func(taken, _ int) bool { return taken < 70 }) // too many to be read for a search
	for _, c := range []struct {
		name  string
		end   func()
		lose  []string
		spare int64 // octets that are free
	}{
		{"ended", func() { g.stop() }, nil, 0},
		{"killed", func() { g.kill() }, nil, 0},
		{"no index", func() { g.stop() }, []string{"search"}, 0},
		{"no reserve", func() { g.stop() }, []string{"mail/reserve"}, 48 << 10},
		{"neither", func() { g.stop() }, []string{"search", "mail/reserve"}, 80 << 10},
	} {
		c.end()
		for _, name := range c.lose {
			if err := os.RemoveAll(filepath.Join(data, name)); err != nil {
				t.Fatal(err)
			}
		}
		fillDisk(t, ballast, c.spare)
		g.start()
		if _, refused := mailed(t, g, l, 1000, func(taken, refused int) bool { return taken+refused < 1 }); refused == 0 {
			t.Errorf("%s: mail is taken on the full disk", c.name)
		} else if said := l.said[len(l.said)-1]; !strings.HasPrefix(said, "452 4.3.1") {
			t.Errorf("%s: %s", c.name, said)
		}
		searched := func(when string) {
			line := loggedIn(t, g, l.user)
			var lists [2]string
			for i, what := range []string{"ALL", `TEXT "ann@sender"`} {
				if _, _, err := line.do("SELECT INBOX"); err != nil {
					t.Fatal(err)
				}
				list, _, err := line.do("SEARCH %s", what)
				if err != nil {
					t.Fatalf("%s, %s: %v", c.name, when, err)
				}
				lists[i] = fmt.Sprint(list)
			}
			if lists[0] != lists[1] {
				t.Errorf("%s, %s: searching finds %s of %s", c.name, when, lists[1], lists[0])
			}
		}
		searched("full")
		allThere(t, g, l)
		if err := os.Truncate(ballast, 0); err != nil {
			t.Fatal(err)
		}
		eventually(t, "mail to be taken", func() bool {
			taken, _ := mailed(t, g, l, 1000, func(taken, refused int) bool { return taken+refused < 1 })
			return taken == 1
		})
		eventually(t, "the index to catch up", func() bool { return g.metric("gapura_search_backlog", "") == 0 })
		searched("with room")
		allThere(t, g, l)
	}
}

// fillDisk makes a file take all the space there is, but spare.
func fillDisk(t testing.TB, name string, spare int64) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size := int64(0)
	for block := make([]byte, 4096); err == nil; {
		var n int
		n, err = f.Write(block)
		size += int64(n)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := f.Truncate(size - spare); err != nil {
		t.Fatal(err)
	}
}

// expunged deletes messages of INBOX, which must not fail.
func expunged(t testing.TB, c *imapLine, l *ledger, uids []uint32) {
	t.Helper()
	x := &trial{t: t}
	d := l.begin(&deed{kind: "store", from: "INBOX", to: `\Deleted`, uids: uids})
	if err := x.answer(c, l, d, fmt.Sprintf(`UID STORE %s FLAGS.SILENT (\Deleted)`, setOf(uids))); err != nil {
		t.Errorf("STORE on the full disk: %v", err)
	}
	d = l.begin(&deed{kind: "expunge", from: "INBOX", uids: uids})
	if err := x.answer(c, l, d, "UID EXPUNGE "+setOf(uids)); err != nil {
		t.Errorf("EXPUNGE of %d on the full disk: %v", len(uids), err)
	}
}

// uidsOf are the first UIDs of a folder.
func uidsOf(l *ledger, folder string, n int) []uint32 {
	list := []uint32{}
	for uid := range l.folders[folder].have {
		list = append(list, uid)
	}
	slices.Sort(list)
	return list[:min(n, len(list))]
}

func marksOf(l *ledger, folder string, uids []uint32) (marks []string) {
	for _, uid := range uids {
		marks = append(marks, l.folders[folder].have[uid].mark)
	}
	return marks
}

// TestMailboxSyncErrors: where the disk says that it could not write, APPEND
// and deliveries are refused for now; what was answered OK is there after a
// crash, and mail is taken again as soon as the disk writes.
func TestMailboxSyncErrors(t *testing.T) {
	t.Parallel()
	strace := tool(t, "strace")
	for _, when := range []string{"1+2", "2+3", "1+1"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			const user = "ana@kept.test"
			g := serveKept(t, "", user)
			l := newLedger(user, 1, trialFolders...)
			c := loggedIn(t, g, l.user)
			filled(t, c, l, 1000, func(taken, _ int) bool { return taken < 5 })
			allThere(t, g, l)
			p, err := start("strace", exec.Command(strace, "-f", "-q", "-e", "trace=fdatasync,fsync,sync_file_range", "-e", "inject=fdatasync,fsync:error=EIO:when="+when,
				"-p", fmt.Sprint(g.cmd.Process.Pid)))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.stop)
			for refused := 0; refused == 0; {
				select {
				case <-p.done:
					missing(t, "strace: %s", p.output(0))
				default:
				}
				_, refused, _ = filled(t, c, l, 1000, func(a, b int) bool { return a+b < 1 })
			}
			a, b, said := filled(t, c, l, 20<<10, func(a, b int) bool { return a+b < 20 })
			d, e := mailed(t, g, l, 20<<10, func(a, b int) bool { return a+b < 20 })
			p.stop()
			n, no, _ := filled(t, c, l, 20<<10, func(a, b int) bool { return a < 10 && b < 20 })
			t.Logf("%d appended, %d refused (%s), %d delivered, %d put off; afterwards %d refused before %d were appended", a, b, said, d, e, no, n)
			if n < 10 || no > 1 {
				t.Error("it does not recover")
			}
			// What was refused may be there all the same: nobody could tell.
			g.kill()
			g.start()
			allThere(t, g, l)
		})
	}
}

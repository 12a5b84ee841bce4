package e2e_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// elsewhere restores a backup on another machine, as it were, and starts it.
func elsewhere(t testing.TB, backup string) *gapura {
	t.Helper()
	dir := folder(t)
	g := &gapura{t: t, dir: dir, file: filepath.Join(dir, "gapura.yaml")}
	if err := authorityFiles(dir, "gapura", gapuraName); err != nil {
		t.Fatal(err)
	}
	g.configure(keptListeners(dir) + keptYAML)
	if out, err := g.run("restore", backup); err != nil {
		t.Fatalf("restore: %v\n%s", err, out)
	}
	storeClean(t, g, "restored")
	g.start()
	return g
}

// allOf reads a user's folders.
func allOf(t testing.TB, g *gapura, user string) map[string]*noted {
	t.Helper()
	c := loggedIn(t, g, user)
	is := map[string]*noted{}
	for _, name := range trialFolders {
		f, err := readFolder(t, c, name)
		if err != nil {
			t.Fatal(err)
		}
		is[name] = f
	}
	return is
}

// marksIn counts each mark of a mailbox.
func marksIn(is map[string]*noted) map[string]int {
	n := map[string]int{}
	for _, f := range is {
		for _, x := range f.have {
			n[x.mark]++
		}
	}
	return n
}

// sure copies what the server has answered OK for, by now.
func (l *ledger) sure() map[string]*noted {
	l.mu.Lock()
	defer l.mu.Unlock()
	is := map[string]*noted{}
	for name, f := range l.folders {
		is[name] = &noted{name: name, have: maps.Clone(f.have)}
	}
	return is
}

// TestBackupUnderLoad: a backup that is made while mail comes, moves and goes
// has all that was there before it began and was not expunged meanwhile; what
// is restored from it is sound, UIDs are not used again, and mail programs
// that had seen what came later are told of all that is otherwise now.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	x := killed(t, "")
	backup := filepath.Join(folder(t), "backup")
	x.load(4)
	time.Sleep(300 * time.Millisecond)
	var before []map[string]*noted
	for range 3 { // the first copies all, the others what is new
		before = nil
		for _, l := range x.ledgers {
			before = append(before, l.sure())
		}
		if out, err := x.g.run("backup", backup); err != nil {
			t.Fatalf("backup: %v\n%s", err, out)
		}
		time.Sleep(100 * time.Millisecond)
	}
	x.kill()
	x.g.start()
	x.verify(1)
	storeClean(t, x.g, "running")
	there := elsewhere(t, backup)
	checked := 0
	for i, l := range x.ledgers {
		end, got := allOf(t, x.g, l.user), allOf(t, there, l.user)
		have, left := marksIn(got), marksIn(end)
		for mark := range marksIn(before[i]) {
			checked++
			if left[mark] > 0 && have[mark] == 0 {
				t.Errorf("%s: %s is not in the backup", l.user, mark)
			}
		}
		c := loggedIn(t, there, l.user)
		if _, _, err := c.do("ENABLE QRESYNC"); err != nil {
			t.Fatal(err)
		}
		for _, name := range trialFolders {
			a, b := end[name], got[name]
			if b.validity != a.validity || b.next < a.next || b.highest < a.highest {
				t.Errorf("%s: UIDVALIDITY, UIDNEXT, HIGHESTMODSEQ were %d %d %d, are %d %d %d after restoring", name, a.validity, a.next, a.highest, b.validity, b.next, b.highest)
			}
			for uid, m := range b.have {
				if was, ok := a.have[uid]; ok && was.mark != m.mark {
					t.Errorf("%s: UID %d was %s, is %s", name, uid, was.mark, m.mark)
				}
			}
			a.knows().resync(t, c, "after restoring", b)
		}
	}
	if checked == 0 {
		t.Error("nothing was there before")
	}
	t.Logf("%d messages were there before the last backup began", checked)
}

// killedRun begins a command of the binary; it is killed after a while, which it may
// not need. It tells whether it had ended well before.
func (g *gapura) killedRun(after time.Duration, args ...string) bool {
	g.t.Helper()
	p, err := start(args[0], exec.Command(program, append([]string{"-c", g.file}, args...)...))
	if err != nil {
		g.t.Fatal(err)
	}
	select {
	case <-p.done:
	case <-time.After(after):
	}
	p.kill()
	return p.cmd.ProcessState.Success()
}

// TestBackupKilled: whenever a backup is killed, the earlier one stays good,
// and the next run makes a whole one.
func TestBackupKilled(t *testing.T) {
	t.Parallel()
	const user = "ana@kept.test"
	g := serveKept(t, "", user)
	l := newLedger(user, 1, trialFolders...)
	c := loggedIn(t, g, user)
	backup := filepath.Join(folder(t), "backup")
	more := func(n int) {
		filled(t, c, l, 20<<10, func(taken, _ int) bool { return taken < n })
	}
	more(50)
	began := time.Now()
	if out, err := g.run("backup", backup); err != nil {
		t.Fatalf("backup: %v\n%s", err, out)
	}
	took, sure, whole := time.Since(began), l.sure(), 0
	rounds := killRounds(6, 60)
	for round := range rounds {
		more(10)
		if g.killedRun(time.Duration(rand.Int64N(int64(took)*5/4)), "backup", backup) {
			sure = l.sure()
			whole++
		}
		there := elsewhere(t, backup)
		got := allOf(t, there, user)
		for uid, m := range sure["INBOX"].have {
			if got["INBOX"].have[uid].mark != m.mark {
				t.Fatalf("round %d: UID %d is not in the backup any more", round, uid)
			}
		}
		there.kill()
		os.RemoveAll(there.dir)
	}
	if out, err := g.run("backup", backup); err != nil {
		t.Fatalf("backup: %v\n%s", err, out)
	}
	for _, pattern := range []string{"*.new", "*/*.new"} {
		if left, _ := filepath.Glob(filepath.Join(backup, pattern)); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	}
	if states, _ := filepath.Glob(filepath.Join(backup, "state-*")); len(states) != 1 {
		t.Errorf("left: %v", states)
	}
	got := allOf(t, elsewhere(t, backup), user)
	if a, b := len(l.folders["INBOX"].have), len(got["INBOX"].have); a != b {
		t.Errorf("%d messages of %d", b, a)
	}
	t.Logf("%d rounds, %d backups ended before they were killed", rounds, whole)
}

// TestRestoreKilled: what a restore that was killed has left is refused until
// it is emptied.
func TestRestoreKilled(t *testing.T) {
	t.Parallel()
	const user = "ana@kept.test"
	g := serveKept(t, "", user)
	l := newLedger(user, 1, trialFolders...)
	filled(t, loggedIn(t, g, user), l, 100<<10, func(taken, _ int) bool { return taken < 50 })
	backup := filepath.Join(folder(t), "backup")
	if out, err := g.run("backup", backup); err != nil {
		t.Fatalf("backup: %v\n%s", err, out)
	}
	g.stop()
	data := filepath.Join(g.dir, "data")
	cut := 0
	for round := range 10 {
		if err := os.RemoveAll(data); err != nil {
			t.Fatal(err)
		}
		began := g.killedRun(time.Duration(10+20*round)*time.Millisecond, "restore", backup)
		if began { // it was through
			break
		}
		list, _ := os.ReadDir(data)
		if len(list) == 0 {
			continue
		}
		if _, err := os.Stat(filepath.Join(data, "restore.unfinished")); err != nil {
			break // it was through, and had not ended yet
		}
		cut++
		for _, command := range [][]string{{"restore", backup}, {"serve"}, {"check", "store"}} {
			if out, err := g.run(command...); err == nil {
				t.Fatalf("%v was not refused after %v: %s", command, list, out)
			}
		}
	}
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	if out, err := g.run("restore", backup); err != nil {
		t.Fatalf("restore: %v\n%s", err, out)
	}
	g.start()
	if got := allOf(t, g, user); len(got["INBOX"].have) != 50 {
		t.Errorf("%d messages", len(got["INBOX"].have))
	}
	t.Logf("%d restores were cut", cut)
}

// TestImportKilled: an import that is killed, or whose gateway is, is started
// again and brings what is missing, nothing twice.
func TestImportKilled(t *testing.T) {
	t.Parallel()
	for _, with := range []string{"a gateway", "no gateway"} {
		t.Run("with "+with, func(t *testing.T) {
			t.Parallel()
			const user, messages = "ana@kept.test", 1500
			maildir := filepath.Join(folder(t), "Maildir")
			var marks []string
			for i := range messages {
				marks = append(marks, markOf(0))
				sub := []string{"", ".Archive", ".Sent"}[i%3]
				if _, err := write(filepath.Join(maildir, sub, "cur"), fmt.Sprintf("%d.x%d.host:2,S", 1700000000+i, i), summed(marks[i], 1<<(8+i%6))); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.MkdirAll(filepath.Join(maildir, "new"), 0o755); err != nil {
				t.Fatal(err)
			}
			g := serveKept(t, "", user)
			running := with == "a gateway"
			if !running {
				g.stop()
			}
			args, cut := []string{"import", "maildir", maildir, "--user", user}, 0
			for round := range killRounds(6, 40) {
				after := time.Duration(20+rand.IntN(700)) * time.Millisecond
				if running && round%2 == 0 {
					timer := time.AfterFunc(after, g.process.kill)
					out, err := g.run(args...)
					timer.Stop()
					g.kill()
					g.start()
					if err != nil {
						cut++
					}
					if err != nil && strings.Contains(out, " failed") && !strings.Contains(out, "gapura:") {
						t.Error(out)
					}
				} else if !g.killedRun(after, args...) {
					cut++
				}
			}
			out, err := g.run(args...)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if !running {
				g.start()
			}
			got := marksIn(allOf(t, g, user))
			for _, m := range marks {
				if got[m] != 1 {
					t.Errorf("%s is there %d times", m, got[m])
				}
			}
			storeClean(t, g, "running")
			t.Logf("%d runs were cut; %s", cut, lastLine(out))
		})
	}
}

func lastLine(s string) string {
	list := strings.Split(strings.TrimSpace(s), "\n")
	return list[len(list)-1]
}

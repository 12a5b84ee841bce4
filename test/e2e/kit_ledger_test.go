package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// ledger notes what a mailbox must have, by what the server has answered.
type ledger struct {
	user     string
	sessions int

	mu       sync.Mutex
	folders  map[string]*noted
	mailed   map[string]bool // marks sent to INBOX in this round; true: 250
	pending  []*deed         // what was not answered
	accepted int
	said     []string // how deliveries were put off
	open     int      // commands that were not answered when the gateway died
	done     int      // those of them that were done
}

// noted is what is known of a folder.
type noted struct {
	name     string
	validity uint64
	next     uint32 // no UID below it may come anew
	highest  uint64 // HIGHESTMODSEQ
	have     map[uint32]note
	gone     map[uint32]bool
}

// note is one message.
type note struct {
	mark   string
	flags  string // of those that the test sets, in order
	modseq uint64
	size   uint64
}

// deed is a command whose answer was not there yet.
type deed struct {
	kind     string // append, copy, move, expunge, store
	from, to string
	uids     []uint32
	marks    []string
}

func newLedger(user string, sessions int, folders ...string) *ledger {
	l := &ledger{user: user, sessions: sessions, folders: map[string]*noted{}, mailed: map[string]bool{}}
	for _, name := range folders {
		l.folders[name] = &noted{name: name, have: map[uint32]note{}, gone: map[uint32]bool{}}
	}
	return l
}

// markOf returns a new mark that belongs to one session: only that session
// acts on the messages that have it.
func markOf(session int) string { return fmt.Sprintf("s%d-%016x", session, rand.Uint64()) }

func ownedBy(mark string, session int) bool {
	return strings.HasPrefix(mark, fmt.Sprintf("s%d-", session))
}

// some picks up to n of a session's messages in a folder.
func (l *ledger) some(folder string, session, n int) (uids []uint32, marks []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.folders[folder]
	for uid, x := range f.have { // in no order
		if ownedBy(x.mark, session) && len(uids) < n {
			uids = append(uids, uid)
		}
	}
	slices.Sort(uids)
	for _, uid := range uids {
		marks = append(marks, f.have[uid].mark)
	}
	return uids, marks
}

// owned counts a session's messages.
func (l *ledger) owned(session int) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.folders {
		for _, x := range f.have {
			if ownedBy(x.mark, session) {
				n++
			}
		}
	}
	return n
}

// begin notes a command before it is sent.
func (l *ledger) begin(d *deed) *deed {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, d)
	return d
}

// ended notes that a command was answered OK; uids are what arrived in d.to.
func (l *ledger) ended(d *deed, uids []uint32) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = slices.DeleteFunc(l.pending, func(x *deed) bool { return x == d })
	l.accepted++
	if d.kind == "append" || d.kind == "copy" || d.kind == "move" {
		to := l.folders[d.to]
		if len(uids) != len(d.marks) {
			return fmt.Errorf("%s of %d messages told %d UIDs", d.kind, len(d.marks), len(uids))
		}
		for i, uid := range uids {
			if _, ok := to.have[uid]; ok || to.gone[uid] || uid < to.next {
				return fmt.Errorf("%s: UID %d of %s is used again", d.kind, uid, d.to)
			}
			x := note{mark: d.marks[i]}
			if d.kind != "append" {
				x.flags = l.folders[d.from].have[d.uids[i]].flags
			}
			to.have[uid] = x
		}
	}
	if d.kind == "move" || d.kind == "expunge" {
		for _, uid := range d.uids {
			delete(l.folders[d.from].have, uid)
			l.folders[d.from].gone[uid] = true
		}
	}
	if d.kind == "store" {
		for _, uid := range d.uids {
			x := l.folders[d.from].have[uid]
			x.flags = d.to
			l.folders[d.from].have[uid] = x
		}
	}
	return nil
}

// refused notes that a command was answered NO: nothing was done.
func (l *ledger) refused(d *deed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = slices.DeleteFunc(l.pending, func(x *deed) bool { return x == d })
}

// compare holds what is there against what must be, tells of each difference,
// and then takes what is there for granted.
func (l *ledger) compare(t testing.TB, round int, is map[string]*noted) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	wrong := func(format string, args ...any) {
		t.Helper()
		t.Errorf("round %d, %s: %s", round, l.user, fmt.Sprintf(format, args...))
	}
	fresh := map[string]map[string]int{} // folder, mark -> how many nobody has told the UID of
	for name, must := range l.folders {
		now := is[name]
		fresh[name] = map[string]int{}
		if must.validity != 0 && now.validity != must.validity {
			wrong("UIDVALIDITY of %s was %d, is %d", name, must.validity, now.validity)
		}
		if now.highest < must.highest {
			wrong("HIGHESTMODSEQ of %s was %d, is %d", name, must.highest, now.highest)
		}
		if now.next < must.next {
			wrong("UIDNEXT of %s was %d, is %d", name, must.next, now.next)
		}
		for uid, x := range must.have {
			y, ok := now.have[uid]
			switch {
			case !ok && !l.may(name, uid, "move", "expunge"):
				wrong("lost: UID %d of %s (%s)", uid, name, x.mark)
			case ok && y.mark != x.mark:
				wrong("UID %d of %s was %s, is %s", uid, name, x.mark, y.mark)
			case ok && y.flags != x.flags && !l.may(name, uid, "store"):
				wrong("flags of UID %d of %s were %q, are %q", uid, name, x.flags, y.flags)
			case ok && y.modseq < x.modseq:
				wrong("MODSEQ of UID %d of %s was %d, is %d", uid, name, x.modseq, y.modseq)
			}
			if uid >= now.next {
				wrong("UIDNEXT of %s is %d, UID %d was told", name, now.next, uid)
			}
		}
		for uid, y := range now.have {
			if _, ok := must.have[uid]; ok {
				continue
			}
			if must.gone[uid] {
				wrong("UID %d of %s (%s) had gone and is there again", uid, name, y.mark)
			} else if uid < must.next {
				wrong("UID %d of %s (%s) is new, and below UIDNEXT %d", uid, name, y.mark, must.next)
			}
			fresh[name][y.mark]++
		}
	}
	for mark, sure := range l.mailed {
		if n := fresh["INBOX"][mark]; n > 1 || sure && n == 0 {
			wrong("delivery %s (250: %v) is there %d times", mark, sure, n)
		}
		delete(fresh["INBOX"], mark)
	}
	for _, d := range l.pending {
		l.open++
		if what := l.half(d, is, fresh); what != "" {
			wrong("%s without an answer, %d messages from %q to %q, is half done: %s", d.kind, max(len(d.uids), len(d.marks)), d.from, d.to, what)
		}
	}
	for name, marks := range fresh {
		for mark, n := range marks {
			wrong("doubled: %s is in %s %d times more than told", mark, name, n)
		}
	}
	for name, now := range is {
		was := l.folders[name]
		for uid := range was.have {
			if _, ok := now.have[uid]; !ok {
				was.gone[uid] = true
			}
		}
		now.gone = was.gone
	}
	l.folders, l.pending = is, nil
	clear(l.mailed)
}

// may tells whether an unanswered command concerns a message.
func (l *ledger) may(folder string, uid uint32, kinds ...string) bool {
	return slices.ContainsFunc(l.pending, func(d *deed) bool {
		return d.from == folder && slices.Contains(kinds, d.kind) && slices.Contains(d.uids, uid)
	})
}

// half tells what of an unanswered command was done in part, and takes what it
// has made off fresh.
func (l *ledger) half(d *deed, is map[string]*noted, fresh map[string]map[string]int) string {
	arrived, left := 0, 0
	if d.kind == "append" || d.kind == "copy" || d.kind == "move" {
		for _, mark := range d.marks {
			if fresh[d.to][mark] > 0 {
				arrived++
				if fresh[d.to][mark]--; fresh[d.to][mark] == 0 {
					delete(fresh[d.to], mark)
				}
			}
		}
		if arrived != 0 && arrived != len(d.marks) {
			return fmt.Sprintf("%d arrived", arrived)
		}
	}
	if d.kind == "move" || d.kind == "expunge" {
		for _, uid := range d.uids {
			if _, ok := is[d.from].have[uid]; !ok {
				left++
			}
		}
		if left != 0 && left != len(d.uids) {
			return fmt.Sprintf("%d have gone", left)
		}
	}
	if d.kind == "move" && (left == 0) != (arrived == 0) {
		return fmt.Sprintf("%d have gone, %d arrived", left, arrived)
	}
	if d.kind == "store" {
		for _, uid := range d.uids {
			if is[d.from].have[uid].flags == d.to {
				arrived++
			}
		}
	}
	if arrived+left > 0 {
		l.done++
	}
	return ""
}

// testFlags keeps the flags that tests set.
func testFlags(s string) string {
	var list []string
	for f := range strings.FieldsSeq(s) {
		if f != `\Recent` {
			list = append(list, f)
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

// readFolder reads all of a folder; what it says of itself must fit.
func readFolder(t testing.TB, c *imapLine, name string) (*noted, error) {
	t.Helper()
	list, _, err := c.do("SELECT %s (CONDSTORE)", name)
	if err != nil {
		return nil, err
	}
	f := &noted{
		name: name, validity: coded(list, "UIDVALIDITY"), next: uint32(coded(list, "UIDNEXT")), highest: coded(list, "HIGHESTMODSEQ"),
		have: map[uint32]note{}, gone: map[uint32]bool{},
	}
	if list, _, err = c.do("UID FETCH 1:* (UID FLAGS MODSEQ RFC822.SIZE BODY.PEEK[])"); err != nil {
		return nil, err
	}
	var octets uint64
	for _, a := range list {
		if !isFetch.MatchString(a.text) || len(a.lits) != 1 {
			continue
		}
		uid, body := uint32(number(fetchUID, a.text)), a.lits[0]
		m := fetchFlags.FindStringSubmatch(a.text)
		if m == nil || uid == 0 {
			t.Errorf("strange: %q", a.text)
			continue
		}
		x := note{mark: wholeMark(body), flags: testFlags(m[1]), modseq: number(fetchModSeq, a.text), size: number(fetchSize, a.text)}
		if x.mark == "" || x.size != uint64(len(body)) || x.modseq > f.highest || uid >= f.next {
			t.Errorf("%s: UID %d (next %d), %d of %d octets, mark %q, MODSEQ %d of %d", name, uid, f.next, len(body), x.size, x.mark, x.modseq, f.highest)
		}
		octets += x.size
		f.have[uid] = x
	}
	list, _, err = c.do("STATUS %s (MESSAGES UNSEEN SIZE)", name)
	if err == nil && (coded(list, "MESSAGES") != uint64(len(f.have)) || coded(list, "SIZE") != octets) {
		t.Errorf("%s has %d messages of %d octets, STATUS says %v", name, len(f.have), octets, list)
	}
	return f, err
}

// wholeMark returns the mark of a message that summed made, if it is whole.
func wholeMark(msg string) string {
	head, body, _ := strings.Cut(msg, "\r\n\r\n")
	sum, mark := "", ""
	for line := range strings.SplitSeq(head, "\r\n") {
		if v, ok := strings.CutPrefix(line, "X-Sum: "); ok {
			sum = v
		}
		if v, ok := strings.CutPrefix(line, "X-Mark: "); ok {
			mark = v
		}
	}
	if is := sha256.Sum256([]byte(body)); hex.EncodeToString(is[:]) != sum {
		return ""
	}
	return mark
}

// watched is what a mail program that synchronises by QRESYNC knows.
type watched struct {
	folder   string
	validity uint64
	modseq   uint64
	flags    map[uint32]string
}

// takes takes up a FETCH or VANISHED.
func (w *watched) takes(a answer) {
	if isFetch.MatchString(a.text) {
		if uid, m := uint32(number(fetchUID, a.text)), fetchFlags.FindStringSubmatch(a.text); uid > 0 && m != nil {
			w.flags[uid] = testFlags(m[1])
		}
	}
	if set, ok := strings.CutPrefix(a.text, "* VANISHED "); ok {
		for _, uid := range uidSet(strings.TrimPrefix(set, "(EARLIER) ")) {
			delete(w.flags, uid)
		}
	}
}

// watch learns what is in a folder, and goes on until the server dies.
func watch(addr, user, folder string) (*watched, error) {
	c, err := dialIMAP(addr, user, "secret-word")
	if err != nil {
		return nil, err
	}
	defer c.conn.Close()
	w := &watched{folder: folder, flags: map[uint32]string{}}
	if _, _, err = c.do("ENABLE QRESYNC"); err != nil {
		return nil, err
	}
	list, _, err := c.do("SELECT %s", folder)
	if err != nil {
		return nil, err
	}
	w.validity, w.modseq = coded(list, "UIDVALIDITY"), coded(list, "HIGHESTMODSEQ")
	more := false
	c.untagged = func(a answer) {
		w.takes(a)
		more = more || strings.HasSuffix(a.text, " EXISTS")
	}
	if _, _, err = c.do("UID FETCH 1:* (FLAGS)"); err != nil {
		return nil, err // it knows nothing whole
	}
	for err == nil {
		last := uint32(0)
		for uid := range w.flags {
			last = max(last, uid)
		}
		if more {
			more = false
			_, _, err = c.do("UID FETCH %d:* (FLAGS)", last+1)
		} else {
			_, _, err = c.do("NOOP")
		}
	}
	if _, ok := err.(refusal); ok {
		return nil, err
	}
	return w, nil
}

// resync brings a mail program up to date; then it must know what is there.
func (w *watched) resync(t testing.TB, c *imapLine, what string, is *noted) {
	t.Helper()
	before := maps.Clone(w.flags)
	c.untagged = w.takes
	list, _, err := c.do("SELECT %s (QRESYNC (%d %d))", w.folder, w.validity, w.modseq)
	c.untagged = nil
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	for uid, x := range is.have {
		if flags, ok := w.flags[uid]; !ok || flags != x.flags {
			t.Errorf("%s: %s since %d: UID %d has %q, the client has %q (%v; before %q), HIGHESTMODSEQ %d, its MODSEQ %d", what, w.folder, w.modseq,
				uid, x.flags, flags, ok, before[uid], coded(list, "HIGHESTMODSEQ"), x.modseq)
		}
	}
	for uid := range w.flags {
		if _, ok := is.have[uid]; !ok {
			t.Errorf("%s: %s since %d: UID %d has gone and the client was not told", what, w.folder, w.modseq, uid)
		}
	}
	if len(w.flags) == 0 && len(before) == 0 {
		return
	}
	if n := coded(list, "HIGHESTMODSEQ"); n < w.modseq {
		t.Errorf("%s: HIGHESTMODSEQ %d after %d", what, n, w.modseq)
	}
}

// knows is what a client that has read all of a folder knows.
func (f *noted) knows() *watched {
	w := &watched{folder: f.name, validity: f.validity, modseq: f.highest, flags: map[uint32]string{}}
	for uid, x := range f.have {
		w.flags[uid] = x.flags
	}
	return w
}

package imapd_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// known is what a mail program knows of a folder by what it has been told.
type known struct {
	uids  []uint32          // by sequence number; 0: not asked yet
	flags map[uint32]string // sorted, by UID
}

// modelSession is a session that keeps what it knows.
type modelSession struct {
	*client
	name    string
	qresync bool
	known   known
	modseq  uint64 // up to which it knows all changes
	newest  uint64 // of the messages that the command told
	code    uint64 // HIGHESTMODSEQ that it told
}

var (
	fetchLine    = regexp.MustCompile(`^\* (\d+) FETCH \((.*)\)$`)
	uidItem      = regexp.MustCompile(`\bUID (\d+)`)
	modseqItem   = regexp.MustCompile(`\bMODSEQ \((\d+)\)`)
	flagsItem    = regexp.MustCompile(`\bFLAGS \(([^)]*)\)`)
	vanishedLine = regexp.MustCompile(`^\* VANISHED (\(EARLIER\) )?(\S+)$`)
	highestCode  = regexp.MustCompile(`\[HIGHESTMODSEQ (\d+)\]`)
)

// do sends a command, and takes up what it tells.
func (m *modelSession) do(command string) {
	m.t.Helper()
	lines := m.ask(command)
	m.newest, m.code = 0, 0
	for _, l := range lines {
		m.take(command, l)
	}
	// Errata 1809 and 1810 of RFC 5162: what a program may believe to know.
	if m.modseq = max(m.modseq, m.newest); m.code > 0 {
		m.modseq = m.code
	}
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, "OK") {
		m.t.Fatalf("%s: %s: %q", m.name, command, last)
	}
}

// take takes up one response.
func (m *modelSession) take(command, l string) {
	m.t.Helper()
	if c := highestCode.FindStringSubmatch(l); c != nil {
		m.code, _ = strconv.ParseUint(c[1], 10, 64)
	}
	if v := vanishedLine.FindStringSubmatch(l); v != nil {
		m.vanished(v[2], v[1] != "")
		return
	}
	if f := fetchLine.FindStringSubmatch(l); f != nil {
		m.fetched(l, f)
		return
	}
	w := strings.Fields(l)
	if len(w) != 3 || w[0] != "*" {
		return
	}
	n, _ := strconv.Atoi(w[1])
	switch w[2] {
	case "EXISTS":
		if n < len(m.known.uids) {
			m.t.Fatalf("%s: %s: EXISTS from %d to %d", m.name, command, len(m.known.uids), n)
		}
		for len(m.known.uids) < n {
			m.known.uids = append(m.known.uids, 0)
		}
	case "EXPUNGE":
		word, _, _ := strings.Cut(command, " ")
		if m.qresync || n < 1 || n > len(m.known.uids) || slices.Contains([]string{"FETCH", "STORE", "SEARCH", "SORT", "THREAD"}, word) {
			m.t.Fatalf("%s: %s: %q of %d", m.name, command, l, len(m.known.uids))
		}
		delete(m.known.flags, m.known.uids[n-1])
		m.known.uids = slices.Delete(m.known.uids, n-1, n)
	}
}

func (m *modelSession) fetched(l string, f []string) {
	m.t.Helper()
	n, _ := strconv.Atoi(f[1])
	if n < 1 || n > len(m.known.uids) {
		m.t.Fatalf("%s: %q of %d", m.name, l, len(m.known.uids))
	}
	if u := uidItem.FindStringSubmatch(f[2]); u != nil {
		uid, _ := strconv.ParseUint(u[1], 10, 32)
		if at := m.known.uids[n-1]; at != 0 && at != uint32(uid) {
			m.t.Fatalf("%s: %q, but it has UID %d", m.name, l, at)
		}
		m.known.uids[n-1] = uint32(uid)
	} else if m.qresync {
		m.t.Fatalf("%s: FETCH without UID: %q", m.name, l)
	}
	if q := modseqItem.FindStringSubmatch(f[2]); q != nil {
		q, _ := strconv.ParseUint(q[1], 10, 64)
		m.newest = max(m.newest, q)
	}
	if g := flagsItem.FindStringSubmatch(f[2]); g != nil && m.known.uids[n-1] != 0 {
		m.known.flags[m.known.uids[n-1]] = sortedFlags(g[1])
	}
}

func sortedFlags(s string) string {
	f := strings.Fields(strings.ReplaceAll(s, `\Recent`, "")) // which is each session's own
	slices.Sort(f)
	return strings.Join(f, " ")
}

// vanished takes messages away; earlier: some may be unknown.
func (m *modelSession) vanished(set string, earlier bool) {
	m.t.Helper()
	if !m.qresync {
		m.t.Fatalf("%s: VANISHED without QRESYNC", m.name)
	}
	for uid := range numbers(set) {
		i := slices.Index(m.known.uids, uid)
		if i < 0 {
			// What was appended and went before it was asked about has no UID yet.
			if !earlier {
				m.t.Fatalf("%s: VANISHED %d is not known: %v", m.name, uid, m.known.uids)
			}
			continue
		}
		m.known.uids = slices.Delete(m.known.uids, i, i+1)
		delete(m.known.flags, uid)
	}
}

// numbers lists the numbers of a set.
func numbers(set string) func(func(uint32) bool) {
	return func(yield func(uint32) bool) {
		for r := range strings.SplitSeq(set, ",") {
			a, b, is := strings.Cut(r, ":")
			if !is {
				b = a
			}
			from, _ := strconv.ParseUint(a, 10, 32)
			to, _ := strconv.ParseUint(b, 10, 32)
			for n := from; n <= to; n++ {
				if !yield(uint32(n)) {
					return
				}
			}
		}
	}
}

// learn asks for what is new.
func (m *modelSession) learn() {
	m.t.Helper()
	if i := slices.Index(m.known.uids, 0); i >= 0 {
		m.do(fmt.Sprintf("FETCH %d:* (UID FLAGS)", i+1))
	}
}

// TestSessionsAgree has several sessions, and deliveries, change a folder at
// random. What each knows by what it is told must be what is there; and a
// program that comes back with QRESYNC must learn all that it missed.
func TestSessionsAgree(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			m := newModel(t, seed)
			for range 120 {
				m.step()
			}
			m.compare()
		})
	}
}

type model struct {
	t        *testing.T
	rnd      *rand.Rand
	store    *mailbox.Store
	server   *imapd.Server
	sessions []*modelSession
	away     *modelSession // a program that is offline
	validity string
	subject  int
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), store: openStore(t, mailbox.Options{})}
	m.server = newServer(t, imapd.Options{}, m.store)
	m.deliver(8)
	for i := range 4 {
		s := m.session(fmt.Sprintf("session %d", i), i%2 == 1)
		s.do("SELECT INBOX")
		m.sessions = append(m.sessions, s)
		s.learn()
	}
	m.away = m.session("away", true)
	m.validity = m.away.folderNumber("UIDVALIDITY")
	m.away.do("SELECT INBOX")
	m.away.learn()
	m.away.do("CLOSE")
	return m
}

func (m *model) session(name string, qresync bool) *modelSession {
	s := &modelSession{client: login(m.t, m.server, "bob"), name: name, qresync: qresync, known: known{flags: map[uint32]string{}}}
	if qresync {
		s.ok("ENABLE QRESYNC")
	}
	return s
}

func (m *model) deliver(n int) {
	var items []mailbox.Item
	for range n {
		m.subject++
		items = append(items, item(m.t, m.store, letter(fmt.Sprint("m", m.subject)), time.Unix(1_000_000_000, 0)))
	}
	putItems(m.t, m.store, "bob", "INBOX", items...)
}

// some names messages of a session, by number or UID.
func (m *model) some(s *modelSession, uid bool) string {
	var list []string
	for i, u := range s.known.uids {
		if m.rnd.IntN(4) != 0 {
			continue
		}
		if uid {
			list = append(list, strconv.FormatUint(uint64(u), 10))
		} else {
			list = append(list, strconv.Itoa(i+1))
		}
	}
	if len(list) == 0 {
		if uid || len(s.known.uids) > 0 {
			return "1"
		}
		return ""
	}
	return strings.Join(list, ",")
}

func (m *model) step() {
	s := m.sessions[m.rnd.IntN(len(m.sessions))]
	uid := m.rnd.IntN(2) == 0
	prefix := ""
	if uid {
		prefix = "UID "
	}
	flags := []string{`\Seen`, `\Flagged`, `\Deleted`, `\Answered`, "$Junk", "kw" + strconv.Itoa(m.rnd.IntN(3))}
	flag := flags[m.rnd.IntN(len(flags))]
	set := m.some(s, uid)
	silent := m.rnd.IntN(4) == 0
	switch n := m.rnd.IntN(20); {
	case n < 3:
		m.deliver(1 + m.rnd.IntN(3))
	case n < 10 && set != "":
		how := []string{"+FLAGS", "-FLAGS", "FLAGS"}[m.rnd.IntN(3)]
		if silent { // the program knows what it did: it asks
			s.do(fmt.Sprintf("%sSTORE %s %s.SILENT (%s)", prefix, set, how, flag))
			s.do("UID FETCH 1:* (UID FLAGS)")
		} else {
			s.do(fmt.Sprintf("%sSTORE %s %s (%s)", prefix, set, how, flag))
		}
	case n < 12:
		s.do("EXPUNGE")
	case n < 13 && len(s.known.uids) > 0:
		s.do("UID EXPUNGE " + m.some(s, true))
	case n < 14 && set != "":
		s.do(prefix + "MOVE " + set + " Archive")
	case n < 15 && set != "" && len(s.known.uids) < 60:
		s.do(prefix + "COPY " + set + " INBOX")
	case n < 16 && set != "":
		s.do(prefix + "FETCH " + set + " (FLAGS)")
	case n < 17:
		s.do(prefix + "SEARCH ALL")
	case n < 18:
		m.back()
	case n < 19 && s.qresync:
		m.breaks(s)
	default:
		s.do("NOOP")
	}
	s.learn()
	if m.rnd.IntN(10) == 0 {
		m.compare()
	}
}

// truth is what a new session is told.
func (m *model) truth() known {
	c := login(m.t, m.server, "bob")
	defer c.Close()
	s := &modelSession{client: c, name: "truth", known: known{flags: map[uint32]string{}}}
	s.do("EXAMINE INBOX")
	s.learn()
	return s.known
}

// compare has all sessions catch up, and compares what they know.
func (m *model) compare() {
	m.t.Helper()
	want := m.truth()
	for _, s := range m.sessions {
		s.do("NOOP")
		s.learn()
		m.same(s, want)
	}
}

func (m *model) same(s *modelSession, want known) {
	m.t.Helper()
	if !slices.Equal(s.known.uids, want.uids) {
		m.t.Fatalf("%s has %v, there is %v", s.name, s.known.uids, want.uids)
	}
	if !maps.Equal(s.known.flags, want.flags) {
		m.t.Fatalf("%s has %v, there is %v", s.name, s.known.flags, want.flags)
	}
}

// back has the program that was away come back, learn what it missed, and
// leave.
func (m *model) back() {
	a := m.away
	extra := ""
	if list := a.known.uids; len(list) > 0 {
		switch m.rnd.IntN(3) {
		case 0:
			extra = fmt.Sprintf(" 1:%d", list[len(list)-1])
		case 1: // some pairs that it believes in
			i, j := m.rnd.IntN(len(list)), len(list)-1
			extra = fmt.Sprintf(" 1:%d (%d,%d %d,%d)", list[j], i+1, j+2, list[i], list[j]+1)
			if i < j {
				extra = fmt.Sprintf(" 1:%d (%d,%d %d,%d)", list[j], i+1, j+1, list[i], list[j])
			}
		}
	}
	// EXISTS comes before VANISHED (EARLIER): the numbers are those of now,
	// and the UIDs known so far are looked up by UID.
	flags := m.resync(a, extra)
	if extra != "" { // what is above what it knew it has to ask for
		a.do("UID FETCH 1:* (UID)")
		for _, u := range a.known.uids {
			if _, ok := flags[u]; !ok {
				a.do(fmt.Sprintf("UID FETCH %d (FLAGS)", u))
			}
		}
	}
	a.known.uids = slices.Sorted(maps.Keys(flags))
	m.same(a, m.truth())
	a.do("UNSELECT")
}

// resync selects with QRESYNC, and returns the flags by UID that are then
// known.
func (m *model) resync(a *modelSession, extra string) map[uint32]string {
	m.t.Helper()
	flags := a.known.flags
	a.known = known{flags: map[uint32]string{}}
	a.newest, a.code = 0, 0
	for _, l := range a.ask(fmt.Sprintf("SELECT INBOX (QRESYNC (%s %d%s))", m.validity, a.modseq, extra)) {
		if v := vanishedLine.FindStringSubmatch(l); v != nil {
			for uid := range numbers(v[2]) {
				delete(flags, uid)
			}
		} else {
			a.take("SELECT", l)
		}
	}
	maps.Copy(flags, a.known.flags)
	a.known.flags, a.modseq = flags, a.code
	return flags
}

// breaks has the connection of a session break, perhaps with something not yet
// told, and the program come back with another.
func (m *model) breaks(s *modelSession) {
	m.t.Helper()
	s.Close()
	s.client = login(m.t, m.server, "bob")
	s.ok("ENABLE QRESYNC")
	s.known.uids = slices.Sorted(maps.Keys(m.resync(s, "")))
	m.same(s, m.truth())
}

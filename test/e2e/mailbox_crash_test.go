package e2e_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// keptYAML keeps mail of kept.test, and lets its users read it on loopback.
const keptYAML = `domains: {kept.test: {deliver: mailbox}}
imap: {plaintext_login: [127.0.0.0/8]}
accounts: {iterations: 15000}
mailboxes: {user: {octets: 1000000000, messages: 100000}}
smtp: {transactions: -1}
`

// keptListeners are those of listenersYAML, and IMAP.
func keptListeners(dir string) string {
	return fmt.Sprintf(listenersYAML, dir) + "  - {protocol: imap, address: \"127.0.0.1:0\"}\n"
}

// serveKept starts a gateway that keeps mail, and makes users.
func serveKept(t testing.TB, more string, users ...string) *gapura {
	t.Helper()
	dir := folder(t)
	return serveKeptIn(t, dir, more, users...)
}

func serveKeptIn(t testing.TB, dir, more string, users ...string) *gapura {
	t.Helper()
	g := serveIn(t, dir, keptListeners(dir)+keptYAML+more)
	for _, u := range users {
		cmd := exec.Command(program, "-c", g.file, "user", "add", u, "--password-stdin")
		cmd.Stdin = strings.NewReader("secret-word\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("user add: %v\n%s", err, out)
		}
	}
	return g
}

func (g *gapura) imap() string { return g.listener("imap", "") }

// trial is a gateway under load from mail programs and senders.
type trial struct {
	t       testing.TB
	g       *gapura
	ledgers []*ledger
	knew    map[string]*watched // user and folder -> what was there after the last round

	stop     atomic.Bool
	killed   atomic.Bool
	wg       sync.WaitGroup
	accepted atomic.Int64 // deliveries
	watching []*watched   // one a user; nil: it knew nothing yet
}

var trialFolders = []string{"INBOX", "Archive", "Sent"}

// load starts everything, and returns when all have logged in.
func (x *trial) load(senders int) {
	x.stop.Store(false)
	x.killed.Store(false)
	x.watching = make([]*watched, len(x.ledgers))
	var ready sync.WaitGroup
	for i, l := range x.ledgers {
		for s := range l.sessions {
			ready.Add(1)
			x.wg.Go(func() { x.session(l, s, ready.Done) })
		}
		x.wg.Go(func() {
			w, err := watch(x.g.imap(), l.user, "INBOX")
			if x.unwanted(err) {
				x.t.Errorf("watching: %v", err)
			}
			x.watching[i] = w
		})
	}
	for i := range senders {
		addr := x.g.smtp
		if i%2 == 1 {
			addr = x.g.lmtp
		}
		x.wg.Go(func() {
			for !x.stop.Load() {
				if err := x.send(addr); x.unwanted(err) {
					x.t.Errorf("delivery: %v", err)
					return
				}
			}
		})
	}
	ready.Wait()
}

// unwanted tells whether an error is not that of a gateway that was killed.
func (x *trial) unwanted(err error) bool {
	if err == nil {
		return false
	}
	var smtp *gosmtp.SMTPError
	var no refusal
	return errors.As(err, &no) || errors.As(err, &smtp) || !x.killed.Load()
}

// kill kills the gateway and ends the load.
func (x *trial) kill() {
	x.killed.Store(true)
	x.g.kill()
	x.stop.Store(true)
	x.wg.Wait()
}

// messageSize is mostly small, now and then large.
func messageSize() int {
	if rand.IntN(25) == 0 {
		return 300 << 10
	}
	return 1 << (8 + rand.IntN(7))
}

// session does at random what mail programs do, until the gateway dies.
func (x *trial) session(l *ledger, me int, ready func()) {
	c, err := dialIMAP(x.g.imap(), l.user, "secret-word")
	ready()
	if err != nil {
		if x.unwanted(err) {
			x.t.Errorf("%s: %v", l.user, err)
		}
		return
	}
	defer c.conn.Close()
	selected := ""
	for err == nil && !x.stop.Load() {
		from, to := trialFolders[rand.IntN(3)], trialFolders[rand.IntN(3)]
		if selected != from {
			if _, _, err = c.do("SELECT %s", from); err != nil {
				break
			}
			selected = from
		}
		err = x.step(c, l, me, from, to)
	}
	if x.unwanted(err) {
		x.t.Errorf("%s: %v", l.user, err)
	}
}

// step is one command.
func (x *trial) step(c *imapLine, l *ledger, me int, from, to string) error {
	what := rand.IntN(100)
	if n := l.owned(me); n > 60 {
		what = 85 + rand.IntN(15)
	} else if n < 10 {
		what = 0
	}
	if what < 30 {
		return x.append(c, l, me, to)
	}
	uids, marks := l.some(from, me, 1+rand.IntN(8))
	if len(uids) == 0 {
		return nil
	}
	d := &deed{from: from, to: to, uids: uids, marks: marks}
	command := ""
	switch {
	case what < 45:
		d.kind, command = "copy", fmt.Sprintf("UID COPY %s %s", setOf(uids), to)
	case what < 70:
		if from == to {
			return nil
		}
		d.kind, command = "move", fmt.Sprintf("UID MOVE %s %s", setOf(uids), to)
	case what < 85:
		d.kind, d.to, d.marks = "store", []string{`\Flagged`, `\Seen`, "kept", `\Seen kept`, ""}[rand.IntN(5)], nil
		command = fmt.Sprintf("UID STORE %s FLAGS.SILENT (%s)", setOf(uids), d.to)
		d.to = testFlags(d.to)
	default:
		del := l.begin(&deed{kind: "store", from: from, to: `\Deleted`, uids: uids})
		if _, _, err := c.do(`UID STORE %s FLAGS (\Deleted)`, setOf(uids)); err != nil {
			return err
		}
		if err := l.ended(del, nil); err != nil {
			return err
		}
		d.kind, d.marks, command = "expunge", nil, "UID EXPUNGE "+setOf(uids)
	}
	l.begin(d)
	return x.answer(c, l, d, command)
}

// answer sends a command and notes its answer.
func (x *trial) answer(c *imapLine, l *ledger, d *deed, command string) error {
	list, end, err := c.do("%s", command)
	if err != nil {
		return err
	}
	var uids []uint32
	for _, a := range append(list, answer{text: end}) { // MOVE tells before the end
		if m := copied.FindStringSubmatch(a.text); m != nil {
			uids = uidSet(m[3])
			if m[2] != "" && setOf(uidSet(m[2])) != setOf(d.uids) {
				return refusal(fmt.Sprintf("%s: %q", command, m[0]))
			}
		}
	}
	if err := l.ended(d, uids); err != nil {
		return refusal(err.Error())
	}
	return nil
}

// append appends one message, or some at once.
func (x *trial) append(c *imapLine, l *ledger, me int, to string) error {
	d := &deed{kind: "append", to: to}
	var messages []string
	for range 1 + rand.IntN(4)/3*3 {
		d.marks = append(d.marks, markOf(me))
		messages = append(messages, summed(d.marks[len(d.marks)-1], messageSize()))
	}
	l.begin(d)
	return x.answer(c, l, d, "APPEND "+to+literals(messages...))
}

// send delivers up to ten messages, each to one user or to all.
func (x *trial) send(addr string) error {
	network, client := "tcp", gosmtp.NewClient
	if strings.HasPrefix(addr, "/") {
		network, client = "unix", gosmtp.NewClientLMTP
	}
	conn, err := net.DialTimeout(network, addr, patience)
	if err != nil {
		return err
	}
	conn.SetDeadline(time.Now().Add(patience))
	c := client(conn)
	defer c.Close()
	for range 10 {
		if x.stop.Load() {
			return nil
		}
		to := x.ledgers
		if rand.IntN(3) > 0 {
			i := rand.IntN(len(to))
			to = to[i : i+1]
		}
		mark := markOf(rand.IntN(to[0].sessions))
		for _, l := range to {
			l.mu.Lock()
			l.mailed[mark] = false
			l.mu.Unlock()
		}
		if err := x.deliver(c, network == "unix", mark, to); err != nil {
			return err
		}
		time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond)
	}
	return c.Quit()
}

func (x *trial) deliver(c *gosmtp.Client, lmtp bool, mark string, to []*ledger) error {
	if err := c.Mail("ann@sender.test", nil); err != nil {
		return err
	}
	accept := func(l *ledger) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.mailed[mark] = true
		x.accepted.Add(1)
	}
	byName := map[string]*ledger{}
	for _, l := range to {
		byName[l.user] = l
		if err := c.Rcpt(l.user, nil); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(summed(mark, messageSize()))); err != nil {
		return err
	}
	if !lmtp {
		if err := w.Close(); err != nil {
			return err
		}
		for _, l := range to {
			accept(l)
		}
		return nil
	}
	all, err := w.CloseWithLMTPResponse()
	for name := range all {
		accept(byName[name])
	}
	return err
}

// verify compares all that is there with the ledgers.
func (x *trial) verify(round int) {
	x.t.Helper()
	for i, l := range x.ledgers {
		c, err := dialIMAP(x.g.imap(), l.user, "secret-word")
		if err != nil {
			x.t.Fatal(err)
		}
		is := map[string]*noted{}
		var octets, messages uint64
		for _, name := range trialFolders {
			if is[name], err = readFolder(x.t, c, name); err != nil {
				x.t.Fatal(err)
			}
			for _, n := range is[name].have {
				octets += n.size
				messages++
			}
		}
		l.compare(x.t, round, is)
		list, _, err := c.do("GETQUOTA \"\"")
		if used, n := coded(list, "STORAGE"), coded(list, "MESSAGE"); err != nil || used != (octets+1023)/1024 || n != messages {
			x.t.Errorf("round %d, %s: %d octets, %d messages, GETQUOTA says %v, %v", round, l.user, octets, messages, list, err)
		}
		if _, _, err := c.do("ENABLE QRESYNC"); err != nil {
			x.t.Fatal(err)
		}
		what := fmt.Sprintf("round %d, %s", round, l.user)
		if w := x.watching[i]; w != nil {
			w.resync(x.t, c, what+", watched", is["INBOX"])
		}
		for _, name := range trialFolders {
			if w := x.knew[l.user+" "+name]; w != nil {
				w.resync(x.t, c, what, is[name])
			}
			x.knew[l.user+" "+name] = is[name].knows()
		}
		c.conn.Close()
	}
}

// storeClean has the store checked.
func storeClean(t testing.TB, g *gapura, when string) {
	t.Helper()
	if out, err := g.run("check", "store"); err != nil {
		t.Errorf("check store, %s: %v\n%s", when, err, out)
	}
}

// rounds kills the gateway again and again under load.
func (x *trial) rounds(n int) {
	x.t.Helper()
	for round := range n {
		x.load(4)
		time.Sleep(time.Duration(20+rand.IntN(400)) * time.Millisecond)
		x.kill()
		if round%5 == 4 {
			storeClean(x.t, x.g, "stopped after a kill")
		}
		x.g.start()
		x.verify(round + 1)
		storeClean(x.t, x.g, "running")
		if x.t.Failed() {
			x.t.FailNow()
		}
	}
	x.g.stop()
	storeClean(x.t, x.g, "stopped")
	done, messages, open, openDone := 0, 0, 0, 0
	for _, l := range x.ledgers {
		done, open, openDone = done+l.accepted, open+l.open, openDone+l.done
		for _, f := range l.folders {
			messages += len(f.have)
		}
	}
	if x.accepted.Load() == 0 || done == 0 {
		x.t.Error("nothing was accepted")
	}
	x.t.Logf("%d rounds: %d deliveries accepted, %d commands answered OK, %d without an answer (%d of them done), %d messages at the end; none lost, none doubled",
		n, x.accepted.Load(), done, open, openDone, messages)
}

// killed starts the trial.
func killed(t testing.TB, more string) *trial {
	t.Helper()
	users := []string{"ana@kept.test", "ben@kept.test"}
	x := &trial{t: t, g: serveKept(t, more, users...), knew: map[string]*watched{}}
	for _, u := range users {
		x.ledgers = append(x.ledgers, newLedger(u, 3, trialFolders...))
	}
	return x
}

// killRounds is how often a test kills.
func killRounds(short, long int) int {
	if os.Getenv("GAPURA_SOAK") != "" {
		return long
	}
	return short
}

// TestMailboxSurvivesKills: killed at any instant under load by senders and
// several sessions of several users, the gateway has every message that it
// said 250 or OK for, once, where it was put; nothing is half done; UIDs are
// not used again, and QRESYNC tells a client all that it does not know.
func TestMailboxSurvivesKills(t *testing.T) {
	n := killRounds(10, 200)
	if n == 10 {
		t.Parallel()
	}
	killed(t, "").rounds(n)
}

// TestPostgresMailboxSurvivesKills: the same with rows in PostgreSQL.
func TestPostgresMailboxSurvivesKills(t *testing.T) {
	n := killRounds(3, 30)
	if n == 3 {
		t.Parallel()
	}
	killed(t, fmt.Sprintf("storage: {database: %q}\n", sqldbtest.Postgres(t))).rounds(n)
}

package mailboxtest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// model is what a folder must be, told from what was done to it.
type model struct {
	next     uint32
	messages map[uint32]map[string]bool // flags by UID
	object   map[uint32]mailbox.ObjectID
	// The state after each modification sequence, as far as clients may ask
	// for it.
	history []past
}

type past struct {
	modseq uint64
	next   uint32
	flags  map[uint32]string
}

func flagsOf(set map[string]bool) string {
	return strings.Join(slices.Sorted(maps.Keys(set)), " ")
}

func (m *model) remember(modseq uint64) {
	p := past{modseq: modseq, next: m.next, flags: map[uint32]string{}}
	for uid, set := range m.messages {
		p.flags[uid] = flagsOf(set)
	}
	m.history = append(m.history, p)
}

// client is what a session has been told: it follows EXISTS, EXPUNGE and
// FETCH, and must be right after each full Sync.
type client struct {
	v     *mailbox.View
	uids  []uint32
	flags map[uint32]string
}

// testModel does random things in several sessions of one folder and compares
// what each is told with what must be, and QRESYNC's answers with the history.
func testModel(t *testing.T, p *Place) {
	for seed := range uint64(4) {
		modelRun(t, p, seed, false)
	}
}

type modelTest struct {
	t       *testing.T
	k       *Kit
	r       *rand.Rand
	u       *mailbox.User
	m       *model
	clients []*client
	// A second store on the same database.
	two      bool
	twin     *Kit
	twinUser *mailbox.User
}

func modelRun(t *testing.T, p *Place, seed uint64, two bool) {
	x := &modelTest{
		t: t, k: p.Open(t), r: newRand(seed), two: two,
		m: &model{next: 1, messages: map[uint32]map[string]bool{}, object: map[uint32]mailbox.ObjectID{}},
	}
	x.u = x.k.User(fmt.Sprintf("bob%d@example.com", seed))
	x.double(p)
	x.m.remember(1)
	for range 3 {
		x.open()
	}
	for i := range 200 {
		x.step(i)
		if i%50 == 49 {
			x.reopen(p)
		}
	}
	for _, c := range x.clients {
		x.sync(c)
	}
	x.close()
}

// double opens the second store.
func (x *modelTest) double(p *Place) {
	if x.two {
		x.twin = p.Twin(x.t, x.k)
		x.twinUser = x.twin.User(x.u.Name())
	}
}

func (x *modelTest) close() {
	if x.twin != nil {
		x.twin.Close()
	}
	x.k.Close()
}

// reopen closes the store and opens it again.
func (x *modelTest) reopen(p *Place) {
	n := len(x.clients)
	for _, c := range x.clients {
		c.v.Close()
	}
	x.clients = nil
	x.close()
	x.k = p.Open(x.t)
	x.u = x.k.User(x.u.Name())
	x.double(p)
	for range n {
		x.open()
	}
}

func (x *modelTest) open() {
	k, u := x.other()
	want(x.t, u.Refresh(background), nil)
	c := &client{v: k.Select(u, "INBOX"), flags: map[uint32]string{}}
	for seq := range c.v.Len() {
		c.uids = append(c.uids, c.v.UID(seq+1))
	}
	x.fetch(c)
	x.clients = append(x.clients, c)
	x.check(c)
}

// fetch learns all flags.
func (x *modelTest) fetch(c *client) {
	for _, l := range x.k.Lines(c.v) {
		c.flags[l.UID] = l.Flags
	}
}

var modelFlags = []string{`\Seen`, `\Deleted`, `\Flagged`, "a", "b", "c"}

// some is a random set of UIDs.
func (x *modelTest) some() (set mailbox.UIDs) {
	for range 1 + x.r.IntN(3) {
		first := uint32(1 + x.r.IntN(int(x.m.next)))
		set.AddRange(mailbox.Range{First: first, Last: first + uint32(x.r.IntN(4))})
	}
	return set
}

// seen are those of a set that a client sees and that are still there.
func (x *modelTest) seen(c *client, set mailbox.UIDs) (list []uint32) {
	for _, uid := range c.uids {
		if x.m.messages[uid] != nil && set.Contains(uid) {
			list = append(list, uid)
		}
	}
	return list
}

func (x *modelTest) step(i int) {
	x.t.Helper()
	c := x.clients[x.r.IntN(len(x.clients))]
	switch x.r.IntN(10) {
	case 0, 1, 2:
		flag := modelFlags[x.r.IntN(len(modelFlags))]
		k, u := x.other()
		place := k.Append(u, "INBOX", Message(fmt.Sprint(i)), flag)
		if place.UID != x.m.next {
			x.t.Fatalf("UID %d, not %d", place.UID, x.m.next)
		}
		x.m.messages[place.UID] = map[string]bool{flag: true}
		x.m.next++
	case 3, 4:
		x.change(c)
	case 5:
		x.expunge(c)
	case 6:
		x.copy(c)
	case 7:
		x.keep(c)
	default:
		if x.r.IntN(4) == 0 {
			c.v.Rest()
		}
		x.sync(c)
		x.resync(c)
		return
	}
	want(x.t, x.u.Refresh(background), nil)
	x.m.remember(x.k.Folder(x.u, "INBOX").ModSeq)
}

func (x *modelTest) change(c *client) {
	set, how, flag := x.some(), mailbox.How(x.r.IntN(3)), modelFlags[x.r.IntN(len(modelFlags))]
	got, err := c.v.Change(background, set, how, []string{flag}, nil)
	want(x.t, err, nil)
	list := x.seen(c, set)
	if len(got.Done) != len(list) {
		x.t.Fatalf("%d changed, not %d", len(got.Done), len(list))
	}
	for i, uid := range list {
		f := x.m.messages[uid]
		switch how {
		case mailbox.AddFlags:
			f[flag] = true
		case mailbox.RemoveFlags:
			delete(f, flag)
		case mailbox.SetFlags:
			x.m.messages[uid] = map[string]bool{flag: true}
		}
		names := got.Keywords.Names(got.Done[i].Flags)
		slices.Sort(names)
		if is := strings.Join(names, " "); got.Done[i].UID != uid || is != flagsOf(x.m.messages[uid]) {
			x.t.Fatalf("UID %d has %q, not %q", uid, is, flagsOf(x.m.messages[uid]))
		}
		c.flags[uid] = flagsOf(x.m.messages[uid]) // the answer to STORE
	}
}

func (x *modelTest) expunge(c *client) {
	set := x.some()
	got, err := c.v.Expunge(background, set, false)
	want(x.t, err, nil)
	var expected mailbox.UIDs
	for _, uid := range x.seen(c, set) {
		if x.m.messages[uid][`\Deleted`] {
			delete(x.m.messages, uid)
			expected.Add(uid)
		}
	}
	if !slices.Equal(got, expected) {
		x.t.Fatalf("expunged %v, not %v", got, expected)
	}
}

// copy copies messages in the folder, or moves them.
func (x *modelTest) copy(c *client) {
	set := x.some()
	list := x.seen(c, set)
	move := x.r.IntN(2) == 0
	do := c.v.Copy
	if move {
		do = c.v.Move
	}
	got, err := do(background, set, "INBOX")
	want(x.t, err, nil)
	if !slices.Equal(got.From, list) {
		x.t.Fatalf("copied %v, not %v", got.From, list)
	}
	for i, uid := range list {
		if got.To[i] != x.m.next {
			x.t.Fatalf("UID %d, not %d", got.To[i], x.m.next)
		}
		x.m.messages[x.m.next] = maps.Clone(x.m.messages[uid])
		x.m.next++
		if move {
			delete(x.m.messages, uid)
		}
	}
}

// keep is a Sync that takes nothing away.
func (x *modelTest) keep(c *client) {
	got, err := c.v.Sync(background, true)
	want(x.t, err, nil)
	x.follow(c, got)
	if len(got.Expunged) > 0 || int(c.v.Len()) != len(c.uids) {
		x.t.Fatalf("%+v", got)
	}
}

func (x *modelTest) sync(c *client) {
	want(x.t, c.v.User().Refresh(background), nil)
	got, err := c.v.Sync(background, false)
	want(x.t, err, nil)
	x.follow(c, got)
	x.check(c)
}

// follow does what a mail program does with what it is told.
func (x *modelTest) follow(c *client, got *mailbox.Changes) {
	x.t.Helper()
	var gone mailbox.UIDs
	for _, seq := range slices.Backward(got.Expunged) {
		gone.Add(c.uids[seq-1])
	}
	for _, seq := range got.Expunged {
		c.uids = slices.Delete(c.uids, int(seq-1), int(seq))
	}
	if !slices.Equal(gone, got.Vanished) {
		x.t.Fatalf("expunged %v, vanished %v", gone, got.Vanished)
	}
	before := len(c.uids)
	for seq := uint32(before + 1); seq <= got.Exists; seq++ {
		c.uids = append(c.uids, c.v.UID(seq))
	}
	if len(c.uids)-before != got.Appended {
		x.t.Fatalf("%d appended, not %d", got.Appended, len(c.uids)-before)
	}
	for _, m := range got.Flags {
		if c.uids[m.Seq-1] != m.UID {
			x.t.Fatalf("UID %d at %d", m.UID, m.Seq)
		}
		names := c.v.Folder().Keywords.Names(m.Flags)
		slices.Sort(names)
		c.flags[m.UID] = strings.Join(names, " ")
	}
	_, err := c.v.Messages(background, mailbox.UIDs{{First: c.v.UID(uint32(before + 1)), Last: 1<<32 - 1}}, false, func(m *mailbox.Message) error {
		if int(m.Seq) > before {
			names := c.v.Folder().Keywords.Names(m.Flags)
			slices.Sort(names)
			c.flags[m.UID] = strings.Join(names, " ")
		}
		return nil
	})
	want(x.t, err, nil)
}

// check compares a client who is told everything with the model.
func (x *modelTest) check(c *client) {
	x.t.Helper()
	expected := slices.Sorted(maps.Keys(x.m.messages))
	if !slices.Equal(c.uids, expected) {
		x.t.Fatalf("client has %v, not %v", c.uids, expected)
	}
	unseen := uint32(0)
	for i, uid := range expected {
		if c.flags[uid] != flagsOf(x.m.messages[uid]) {
			x.t.Fatalf("UID %d: client has %q, not %q", uid, c.flags[uid], flagsOf(x.m.messages[uid]))
		}
		if !x.m.messages[uid][`\Seen`] {
			unseen++
		}
		if c.v.UID(uint32(i+1)) != uid || c.v.Seq(uid) != uint32(i+1) {
			x.t.Fatalf("UID %d is not at %d", uid, i+1)
		}
	}
	f := c.v.Folder()
	if f.Unseen != unseen || f.Messages != uint32(len(expected)) || f.Next != x.m.next {
		x.t.Fatalf("%+v", f)
	}
}

// resync asks what changed since some moment, as QRESYNC does.
func (x *modelTest) resync(c *client) {
	x.t.Helper()
	then := x.m.history[x.r.IntN(len(x.m.history))]
	for i := len(x.m.history) - 1; x.m.history[i].modseq >= then.modseq; i-- { // the last state of it
		if x.m.history[i].modseq == then.modseq {
			then = x.m.history[i]
			break
		}
	}
	known := mailbox.UIDs{}
	if then.next > 1 {
		known.AddRange(mailbox.Range{First: 1, Last: then.next - 1})
	}
	vanished, err := c.v.VanishedSince(background, then.modseq, known)
	want(x.t, err, nil)
	changed, err := c.v.ChangedSince(background, then.modseq, mailbox.AllUIDs)
	want(x.t, err, nil)
	for uid, flags := range then.flags {
		now, there := x.m.messages[uid]
		if there == vanished.Contains(uid) {
			x.t.Fatalf("UID %d since %d: there %t, vanished %v", uid, then.modseq, there, vanished)
		}
		if there && flagsOf(now) != flags && !changed.Contains(uid) {
			x.t.Fatalf("UID %d since %d: %q became %q, changed %v", uid, then.modseq, flags, flagsOf(now), changed)
		}
	}
	for uid := range x.m.messages {
		if uid >= then.next && !changed.Contains(uid) {
			x.t.Fatalf("UID %d is new since %d, changed %v", uid, then.modseq, changed)
		}
	}
	for uid := range vanished.All() {
		if x.m.messages[uid] != nil {
			x.t.Fatalf("UID %d is there, and vanished", uid)
		}
	}
}

package imapd

import (
	"cmp"
	"slices"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// threadNode is a message in a thread, or the place of one that is missing.
// While threads are built only parent is kept up; children are made of it at
// the end.
type threadNode struct {
	uid     uint32 // 0: there is no such message
	order   uint32 // the UID, of a missing message that of its first child
	parent  int32
	first   int32 // child
	last    int32
	next    int32 // sibling
	sent    int64
	subject string // base subject, folded
	reply   bool
	dead    bool // it is not there any more
}

const nobody int32 = -1

func emptyNode() threadNode {
	return threadNode{parent: nobody, first: nobody, last: nobody, next: nobody}
}

// bySent compares nodes by sent date, then by their order in the mailbox.
func (b *threadBuilder) bySent(x, y int32) int {
	nx, ny := &b.nodes[x], &b.nodes[y]
	return cmp.Or(cmp.Compare(nx.sent, ny.sent), cmp.Compare(nx.order, ny.order))
}

// children makes the lists of children, and returns the roots, all sorted.
func (b *threadBuilder) children() (roots []int32) {
	order := make([]int32, 0, len(b.nodes))
	for i := range b.nodes {
		if !b.nodes[i].dead {
			order = append(order, int32(i))
		}
	}
	slices.SortFunc(order, b.bySent)
	for _, i := range order {
		p := b.nodes[i].parent
		if p == nobody {
			roots = append(roots, i)
			continue
		}
		parent := &b.nodes[p]
		if parent.last == nobody {
			parent.first = i
		} else {
			b.nodes[parent.last].next = i
		}
		parent.last = i
	}
	return roots
}

// orderedSubject is the algorithm of that name (RFC 5256 section 3): messages
// of one base subject make a thread, all but the first one below the first.
func (b *threadBuilder) orderedSubject() []int32 {
	order := make([]int32, len(b.nodes))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, b.bySent)
	first := make(map[string]int32, len(order))
	for _, i := range order {
		if r, ok := first[b.nodes[i].subject]; ok {
			b.nodes[i].parent = r
		} else {
			first[b.nodes[i].subject] = i
		}
	}
	return b.children()
}

// references is the algorithm of that name (RFC 5256 section 3).
func (b *threadBuilder) references() []int32 {
	b.link()
	b.prune()
	b.bySubject()
	return b.children()
}

// link makes the tree of the references (step 1).
func (b *threadBuilder) link() {
	messages := len(b.nodes)
	byID := make(map[string]int32, messages*2)
	for i, id := range b.ids {
		if _, taken := byID[id]; id != "" && !taken { // of several with one id the first has it
			byID[id] = int32(i)
		}
	}
	for i := range int32(messages) {
		before := nobody
		for _, ref := range b.refs[i] {
			r, ok := byID[ref]
			if !ok {
				r = int32(len(b.nodes))
				b.nodes = append(b.nodes, emptyNode())
				byID[ref] = r
			}
			if before != nobody && b.nodes[r].parent == nobody && !b.above(r, before) {
				b.nodes[r].parent = before
			}
			before = r
		}
		// What a message says itself is worth more than what others said of it.
		if before != nobody && b.above(i, before) {
			before = nobody // a loop: the link is broken, and no other made
		}
		b.nodes[i].parent = before
	}
}

// maxClimb bounds how far a loop is looked for: what is deeper is taken for
// one, which parts the thread.
const maxClimb = 1000

// above tells whether x is y or above it.
func (b *threadBuilder) above(x, y int32) bool {
	for range maxClimb {
		switch y {
		case x:
			return true
		case nobody:
			return false
		}
		y = b.nodes[y].parent
	}
	return true
}

// prune takes out the places of missing messages (step 2): their children go
// one up, unless several of them would become roots.
func (b *threadBuilder) prune() {
	kids := make(map[int32]int) // of missing roots
	for i := range b.nodes {
		n := &b.nodes[i]
		if n.dead = n.uid == 0; n.dead {
			continue
		}
		n.parent = b.present(n.parent)
		if p := n.parent; p != nobody && b.nodes[p].uid == 0 {
			kids[p]++
		}
	}
	for i := range b.nodes {
		n := &b.nodes[i]
		p := n.parent
		if n.uid == 0 || p == nobody || b.nodes[p].uid != 0 {
			continue
		}
		if kids[p] == 1 {
			n.parent = nobody
			continue
		}
		b.lead(p, int32(i))
	}
}

// present returns the closest message at or above p, or else the missing one
// at the top.
func (b *threadBuilder) present(p int32) int32 {
	top := p
	for top != nobody && b.nodes[top].uid == 0 && b.nodes[top].parent != nobody {
		top = b.nodes[top].parent
	}
	for p != top { // the next one has a shorter way
		up := b.nodes[p].parent
		b.nodes[p].parent = top
		p = up
	}
	return top
}

// lead makes a place live; its date is that of its first child.
func (b *threadBuilder) lead(place, child int32) {
	p, c := &b.nodes[place], &b.nodes[child]
	if p.dead || b.bySent(child, place) < 0 {
		p.sent, p.order, p.subject, p.reply, p.dead = c.sent, c.order, c.subject, c.reply, false
	}
}

// bySubject joins threads of one base subject (step 5).
func (b *threadBuilder) bySubject() {
	var roots []int32
	below := make(map[int32][]int32) // the children of places
	for i := range b.nodes {
		n := &b.nodes[i]
		switch {
		case n.dead:
		case n.parent == nobody:
			roots = append(roots, int32(i))
		case b.nodes[n.parent].uid == 0:
			below[n.parent] = append(below[n.parent], int32(i))
		}
	}
	slices.SortFunc(roots, b.bySent) // step 4
	table := make(map[string]int32, len(roots))
	for _, r := range roots {
		n := &b.nodes[r]
		t, ok := table[n.subject]
		if n.subject == "" {
			continue
		}
		if !ok || b.nodes[t].uid != 0 && (n.uid == 0 || b.nodes[t].reply && !n.reply) {
			table[n.subject] = r
		}
	}
	for _, r := range roots {
		n := &b.nodes[r]
		t, ok := table[n.subject]
		if !ok || t == r || n.subject == "" {
			continue
		}
		in := &b.nodes[t]
		switch {
		case in.uid == 0 && n.uid == 0:
			for _, k := range below[r] {
				b.nodes[k].parent = t
			}
			b.lead(t, r)
			below[t] = append(below[t], below[r]...)
			n.dead = true
		case in.uid == 0:
			n.parent = t
			b.lead(t, r)
			below[t] = append(below[t], r)
		case n.reply && !in.reply:
			n.parent = t
		default:
			table[n.subject] = b.join(t, r, below)
		}
	}
}

// join puts two messages below a new place.
func (b *threadBuilder) join(x, y int32, below map[int32][]int32) int32 {
	place := int32(len(b.nodes))
	b.nodes = append(b.nodes, emptyNode())
	b.nodes[place].dead = true
	for _, k := range [...]int32{x, y} {
		b.nodes[k].parent = place
		b.lead(place, k)
	}
	below[place] = []int32{x, y}
	return place
}

// write writes threads.
func (b *threadBuilder) write(w *imap.Writer, roots []int32, number func(uid uint32) uint32) {
	var open []int32 // siblings that come after what is written now
	for _, at := range roots {
		w.Byte('(')
		for open = open[:0]; at != nobody; {
			n := &b.nodes[at]
			if n.uid != 0 {
				w.Num(number(n.uid))
			}
			switch {
			case n.first == nobody:
				w.Byte(')')
				at = nobody
				for len(open) > 0 && at == nobody {
					top := len(open) - 1
					if at = open[top]; at == nobody {
						w.Byte(')')
						open = open[:top]
						continue
					}
					open[top] = b.nodes[at].next
					w.Byte('(')
				}
			case n.first == n.last:
				w.SP()
				at = n.first
			default:
				if n.uid != 0 {
					w.SP()
				}
				w.Byte('(')
				open = append(open, b.nodes[n.first].next)
				at = n.first
			}
		}
	}
}

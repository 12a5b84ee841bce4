package proxy

import (
	"strings"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// question is what an answer is remembered by: a recipient, or a recipient and
// the sender who asked for it.
type question struct {
	to, from smtp.Address
	paired   bool // from counts
}

// answer is a backend's reply to RCPT. A zero Reply remembers that the sender
// must be asked about although the recipient is known: a backend that took the
// recipient from others has refused it from this one.
type answer struct {
	reply   smtp.Reply
	expires time.Time
}

// answers remembers the most recently used answers. Its zero value remembers
// nothing.
type answers struct {
	max int

	mu   sync.Mutex
	m    map[question]*node
	root node // of a ring, the most recently used first
}

type node struct {
	q          question
	a          answer
	prev, next *node
}

func newAnswers(n int) *answers {
	c := &answers{max: n, m: make(map[question]*node)}
	c.root.prev, c.root.next = &c.root, &c.root
	return c
}

func (c *answers) get(q question) (answer, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, ok := c.m[q]
	if !ok {
		return answer{}, false
	}
	if !time.Now().Before(n.a.expires) {
		c.remove(n)
		return answer{}, false
	}
	c.unlink(n)
	c.front(n)
	return n.a, true
}

func (c *answers) put(q question, r smtp.Reply, ttl time.Duration) {
	if c.max <= 0 || ttl <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	a := answer{r, time.Now().Add(ttl)}
	if n, ok := c.m[q]; ok {
		n.a = a
		c.unlink(n)
		c.front(n)
		return
	}
	// The strings may be parts of longer ones.
	q.to = smtp.Address{Local: strings.Clone(q.to.Local), Domain: strings.Clone(q.to.Domain)}
	q.from = smtp.Address{Local: strings.Clone(q.from.Local), Domain: strings.Clone(q.from.Domain)}
	n := &node{q: q, a: a}
	c.m[q] = n
	c.front(n)
	if len(c.m) > c.max {
		c.remove(c.root.prev)
	}
}

func (c *answers) drop(q question) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n, ok := c.m[q]; ok {
		c.remove(n)
	}
}

func (c *answers) remove(n *node) {
	c.unlink(n)
	delete(c.m, n.q)
}

func (c *answers) unlink(n *node) { n.prev.next, n.next.prev = n.next, n.prev }

func (c *answers) front(n *node) {
	n.prev, n.next = &c.root, c.root.next
	n.prev.next, n.next.prev = n, n
}

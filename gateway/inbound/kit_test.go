package inbound

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/smtpd"
)

// queue is a Queue in memory that notes in which order things happen.
type queue struct {
	mu       sync.Mutex
	events   []string
	prepared map[string]int // copies that are durable and not activated, by route
	copies   []*gateway.Copy
	routes   []string
	texts    []string
	prepErr  error
	commErr  error
	failOn   string // route for which the errors are; "" : all
	unready  bool
}

func (q *queue) Ready(context.Context) bool { return !q.unready }

func (q *queue) Delivery(route string) gateway.Preparer { return &queueLeg{q: q, route: route} }

func (q *queue) note(format string, args ...any) {
	q.events = append(q.events, fmt.Sprintf(format, args...))
}

type queueLeg struct {
	q        *queue
	route    string
	prepared bool
	done     bool
	text     string
}

func (l *queueLeg) read(c *gateway.Copy) error {
	r := c.Open()
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil || int64(len(b)) != c.Size {
		return fmt.Errorf("size %d is wrong: %d, %v", c.Size, len(b), err)
	}
	l.text = string(b)
	return nil
}

func (l *queueLeg) fails(err error) error {
	if l.q.failOn == "" || l.q.failOn == l.route {
		return err
	}
	return nil
}

func (l *queueLeg) Prepare(_ context.Context, c *gateway.Copy) error {
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	l.q.note("prepare %s", l.route)
	if err := l.fails(l.q.prepErr); err != nil {
		return err
	}
	l.prepared = true
	if l.q.prepared == nil {
		l.q.prepared = map[string]int{}
	}
	l.q.prepared[l.route]++
	return l.read(c)
}

func (l *queueLeg) Commit(_ context.Context, c *gateway.Copy) ([]smtp.Reply, error) {
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	l.q.note("commit %s", l.route)
	if err := l.fails(l.q.commErr); err != nil {
		return nil, err
	}
	if !l.prepared {
		if err := l.read(c); err != nil {
			return nil, err
		}
	}
	l.done = true
	if l.prepared {
		l.q.prepared[l.route]--
	}
	l.q.copies, l.q.routes, l.q.texts = append(l.q.copies, c), append(l.q.routes, l.route), append(l.q.texts, l.text)
	return []smtp.Reply{smtp.NewReply(250, smtp.EnhancedCode{2, 0, 0}, "queued")}, nil
}

func (l *queueLeg) Abort() {
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	if l.prepared && !l.done {
		l.q.note("abort %s", l.route)
		l.q.prepared[l.route]--
		l.prepared = false
	}
}

// sent returns "route: recipients" of every copy that was activated, sorted.
func (q *queue) sent() string {
	var all []string
	for i, c := range q.copies {
		var to []string
		for k, r := range c.Rcpts {
			who := r.To.String()
			if c.Kept != nil && c.Kept[k] != nil {
				who += " in quarantine"
			}
			to = append(to, who)
		}
		slices.Sort(to)
		all = append(all, q.routes[i]+": "+strings.Join(to, " "))
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// accounts know one user, u@example.org, who may also write as u.* of
// example.org; the address trouble@example.org is an error.
type accounts struct{}

func (accounts) Mechanisms(smtpd.Info) []string { return []string{"PLAIN"} }

func (accounts) Authenticate(_ context.Context, info smtpd.Info, mechanism string, initial []byte, _ func([]byte) ([]byte, error)) (smtpd.Login, smtp.Reply, error) {
	if mechanism == "PLAIN" && string(initial) == "good" && info.Helo != "" && info.Session != "" {
		return smtpd.Login{User: "u@example.org"}, smtp.Reply{}, nil
	}
	return smtpd.Login{User: "x"}, smtp.NewReply(535, smtp.EnhancedCode{5, 7, 8}, "no"), nil
}

func (accounts) MaySend(_ context.Context, user string, from smtp.Address) (bool, error) {
	if from.Local == "trouble" {
		return false, errors.New("the directory is away")
	}
	return user == "u@example.org" && smtp.EqualDomain(from.Domain, "example.org") &&
		(from.Local == "u" || strings.HasPrefix(from.Local, "u.")), nil
}

// client is one of our own or a stranger.
type client struct {
	listener string
	ip       string
	login    bool
}

var (
	user     = client{listener: "submission", login: true}
	stranger = client{listener: "smtp"}
	machine  = client{listener: "smtp", ip: "10.1.2.3"}
)

// session opens a session of the client.
func (e *env) session(c client) (smtpd.Session, *Handler) {
	e.t.Helper()
	h := e.handler()
	info := smtpd.Info{Listener: c.listener, Remote: netip.AddrPortFrom(netip.MustParseAddr(cmp.Or(c.ip, "192.0.2.9")), 4242)}
	s, _, err := h.Connect(e.t.Context(), info)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(s.Close)
	info.Helo, info.Extended = cmp.Or(e.helo, "client.test"), true
	s.Helo(e.t.Context(), info)
	if c.login {
		who, r, err := s.(smtpd.Authenticator).Auth(e.t.Context(), "PLAIN", []byte("good"), nil)
		if who.User != "u@example.org" || !r.IsZero() || err != nil {
			e.t.Fatalf("AUTH: %s, %v, %v", who, r, err)
		}
	}
	return s, h
}

// submit runs one transaction; replies are of MAIL, of each RCPT and of DATA,
// as far as it came.
func (e *env) submit(c client, from, msg string, to ...string) (replies []smtp.Reply) {
	e.t.Helper()
	s, _ := e.session(c)
	ctx := e.t.Context()
	sender := smtp.ReversePath{}
	if from != "" {
		sender.Address = path(from)
	}
	tx, r, err := s.Mail(ctx, sender, e.params)
	if replies = append(replies, asReply(r, err)); err != nil {
		return replies
	}
	taken := 0
	for _, a := range to {
		r, err := tx.Rcpt(ctx, smtp.ForwardPath{Address: path(a)}, smtp.RcptParams{})
		replies = append(replies, asReply(r, err))
		if err == nil && (r.IsZero() || r.Positive()) {
			taken++
		}
	}
	if taken == 0 {
		tx.Reset()
		return replies
	}
	data, err := tx.Data(ctx, strings.NewReader(msg))
	if err != nil {
		return append(replies, asReply(smtp.Reply{}, err))
	}
	return append(replies, data...)
}

// last is the last reply, with its text.
func last(replies []smtp.Reply) string { return replies[len(replies)-1].Error() }

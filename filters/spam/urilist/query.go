package urilist

import (
	"context"
	"crypto"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gapura-mail/gapura/filters/spam/link"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dnslist"
)

const (
	maxAnswers = 32 // answers of one list that are looked at
	maxHostIPs = 4  // addresses of one host that are asked about
)

// Query is what is asked about one message. Its methods may be called from
// several goroutines; after Wait or Close, Add does nothing.
type Query struct {
	lists  *Lists
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	left   int                 // questions that may still be asked at once
	asked  map[string]struct{} // names
	late   []question          // the last of those beyond that
	lost   int
	hits   []Hit
	failed map[string]error // by zone
}

// question is one look-up in one list.
type question struct {
	list    *list
	subject string // as it is told
	name    string // as it is asked; for the addresses of a host the host
	resolve bool
}

// Start begins with a message. ctx bounds all look-ups. Wait or Close must
// follow.
func (l *Lists) Start(ctx context.Context) *Query {
	q := &Query{lists: l, left: l.opt.MaxLookups - l.reserve()}
	q.ctx, q.cancel = context.WithCancel(ctx)
	return q
}

// reserve is how many questions are kept for what comes last: a message could
// begin with a hundred harmless links.
func (l *Lists) reserve() int { return l.opt.MaxLookups / 4 }

// Add asks about a link: its host and, for redirectors, where it leads.
func (q *Query) Add(u link.URL) {
	q.link(u)
	for range 2 {
		if len(u.Inner) == 0 {
			return
		}
		inner, ok := link.Parse(u.Inner[0])
		if !ok {
			return
		}
		u = inner
		q.link(u)
	}
}

func (q *Query) link(u link.URL) {
	switch {
	case u.Scheme == "mailto":
		q.AddAddress(u.User + "@" + u.Host)
	case u.Host == "" || u.Flags.Any(link.BadHost|link.UnknownTLD):
	case u.Flags.Has(link.Numeric):
		if ip, err := netip.ParseAddr(u.Host); err == nil {
			q.address(ip.Unmap())
		}
	default:
		q.host(u.Host, u.Domain, u.Flags, func(l *list) bool { return l.link })
	}
}

// AddSender asks about the domain of a sender: From, Reply-To, Return-Path,
// HELO.
func (q *Query) AddSender(domain string) {
	if u, ok := link.Parse("http://" + domain); ok && !u.Flags.Any(link.BadHost|link.UnknownTLD|link.Numeric) {
		q.host(u.Host, u.Domain, u.Flags, func(l *list) bool { return l.sender })
	}
}

// host asks about a name.
func (q *Query) host(host, domain string, flags link.Flags, on func(*list) bool) {
	if !strings.Contains(domain, ".") || q.lists.skipped(host, domain, flags) {
		return
	}
	for _, l := range q.lists.lists {
		if !on(l) {
			continue
		}
		switch l.kind {
		case byDomain:
			q.ask(question{list: l, subject: domain, name: domain + "." + l.zone})
		case byHost:
			q.ask(question{list: l, subject: host, name: host + "." + l.zone})
		case byIP:
			q.ask(question{list: l, subject: host, name: host, resolve: true})
		}
	}
}

// address asks about an address that stands in the place of a host.
func (q *Query) address(ip netip.Addr) {
	if !dns.Public(ip) {
		return
	}
	for _, l := range q.lists.lists {
		if l.link && (l.kind == byIP || l.addresses && ip.Is4()) {
			q.ask(question{list: l, subject: ip.String(), name: dns.ReverseLabels(ip) + "." + l.zone})
		}
	}
}

// AddAddress asks about a mail address in the lists of kind address: in lower
// case, without what follows a plus, those at Gmail without dots.
func (q *Query) AddAddress(address string) {
	at := strings.LastIndexByte(address, '@')
	if at <= 0 || at == len(address)-1 || len(address) > 320 {
		return
	}
	local, domain := strings.ToLower(address[:at]), strings.ToLower(address[at+1:])
	if q.lists.told(domain) {
		return
	}
	local, _, _ = strings.Cut(local, "+")
	if domain == "googlemail.com" {
		domain = "gmail.com"
	}
	if domain == "gmail.com" {
		local = strings.ReplaceAll(local, ".", "")
	}
	subject := local + "@" + domain
	for _, l := range q.lists.lists {
		if l.kind != byAddress {
			continue
		}
		var sum []byte
		switch l.hash {
		case crypto.SHA256:
			s := sha256.Sum256([]byte(subject))
			sum = s[:]
		case crypto.MD5:
			s := md5.Sum([]byte(subject))
			sum = s[:]
		default:
			s := sha1.Sum([]byte(subject))
			sum = s[:]
		}
		q.ask(question{list: l, subject: subject, name: l.label(sum) + "." + l.zone})
	}
}

// AddHash asks about a file by its SHA-256, SHA-1 or MD5 in the lists of kind
// file that have such.
func (q *Query) AddHash(sum []byte) {
	for _, l := range q.lists.lists {
		if l.kind == byFile && len(sum) == l.hash.Size() {
			q.ask(question{list: l, subject: hex.EncodeToString(sum), name: l.label(sum) + "." + l.zone})
		}
	}
}

// label is a hash as a label of the DNS.
func (l *list) label(sum []byte) string {
	if l.base32 {
		return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum))
	}
	return hex.EncodeToString(sum)
}

// ask starts a look-up, unless it was asked before or too much was.
func (q *Query) ask(x question) {
	name, ok := dns.Normal(x.name)
	if !ok {
		return
	}
	x.name = name
	key := name
	if x.resolve {
		key = name + " " + x.list.zone
	}
	if !q.admit(key, x) {
		return
	}
	if !x.resolve && dns.Known(q.lists.resolver, name, dns.TypeA) {
		q.run(x) // from memory
		return
	}
	go q.run(x)
}

// admit reports whether x is to be asked now; if so, run must follow.
func (q *Query) admit(key string, x question) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, there := q.asked[key]; there || q.closed {
		return false
	}
	if q.asked == nil {
		q.asked = make(map[string]struct{}, 16)
	}
	if q.left == 0 {
		q.postpone(x)
		return false
	}
	q.asked[key] = struct{}{}
	q.left--
	q.wg.Add(1)
	return true
}

// postpone keeps the last questions for the end.
func (q *Query) postpone(x question) {
	if slices.Contains(q.late, x) {
		return
	}
	if q.lists.reserve() == 0 {
		q.lost++
		return
	}
	if len(q.late) == q.lists.reserve() {
		q.late = q.late[1:]
		q.lost++
	}
	q.late = append(q.late, x)
}

// run asks one question and notes what it finds.
func (q *Query) run(x question) {
	defer q.wg.Done()
	hits, err := q.lookup(x)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hits = append(q.hits, hits...)
	if err != nil && q.failed[x.list.zone] == nil {
		if q.failed == nil {
			q.failed = map[string]error{}
		}
		q.failed[x.list.zone] = err
	}
}

// lookup asks one question; of a host with several addresses, one for each.
func (q *Query) lookup(x question) ([]Hit, error) {
	l := q.lists
	if !x.resolve {
		return l.one(q.ctx, x)
	}
	ips, _, err := dns.LookupIP(q.ctx, l.resolver, x.name)
	if err != nil {
		return nil, nil // it is the host's owner who does not answer, not the list
	}
	var hits []Hit
	first := true
	for _, ip := range ips[:min(len(ips), maxHostIPs)] {
		if !dns.Public(ip) {
			continue
		}
		if !first && !q.more() {
			break
		}
		first = false
		found, err := l.one(q.ctx, question{list: x.list, subject: x.subject, name: dns.ReverseLabels(ip) + "." + x.list.zone})
		if err != nil {
			return hits, err
		}
		hits = append(hits, found...)
	}
	return hits, nil
}

// more reports whether one more question may be asked.
func (q *Query) more() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.left == 0 {
		q.lost++
		return false
	}
	q.left--
	return true
}

func (l *Lists) one(ctx context.Context, x question) ([]Hit, error) {
	ips, _, err := dns.LookupA(ctx, l.resolver, x.name)
	switch {
	case dns.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, dnslist.Reason(err)
	}
	return x.list.judge(x.subject, ips)
}

// Wait waits for the answers, no longer than Options.Wait, and returns the
// listings in the order of the lists and their subjects. The error joins those
// of lists that failed, each a *ListError; what other lists say counts all the
// same.
func (q *Query) Wait(ctx context.Context) ([]Hit, error) {
	q.mu.Lock()
	for _, x := range q.late {
		q.wg.Add(1)
		go q.run(x)
	}
	q.late, q.closed = nil, true
	q.mu.Unlock()
	timer := time.AfterFunc(q.lists.wait(ctx), q.cancel)
	defer timer.Stop()
	stop := context.AfterFunc(ctx, q.cancel)
	defer stop()
	q.wg.Wait()
	q.cancel()
	slices.SortFunc(q.hits, q.lists.order)
	var errs []error
	for _, l := range q.lists.lists {
		if err := q.failed[l.zone]; err != nil {
			errs = append(errs, &ListError{l.zone, err})
			delete(q.failed, l.zone)
		}
	}
	return q.hits, errors.Join(errs...)
}

// wait leaves a tenth of the filter's own time to tell what was found.
func (l *Lists) wait(ctx context.Context) time.Duration {
	if t, ok := ctx.Deadline(); ok {
		return min(l.opt.Wait, time.Until(t)*9/10)
	}
	return l.opt.Wait
}

// Close ends all look-ups. It may follow Wait.
func (q *Query) Close() {
	q.mu.Lock()
	q.late, q.closed = nil, true
	q.mu.Unlock()
	q.cancel()
	q.wg.Wait()
}

// Lost is how many questions were not asked because there were too many.
func (q *Query) Lost() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.lost
}

// ListError is the failure of one list.
type ListError struct {
	Zone string
	Err  error
}

func (e *ListError) Error() string { return fmt.Sprintf("%s: %v", e.Zone, e.Err) }
func (e *ListError) Unwrap() error { return e.Err }

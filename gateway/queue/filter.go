package queue

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

// Filter chooses entries: all that is set must fit. The zero Filter fits
// nothing, so that nothing happens to everything by mistake.
type Filter struct {
	All    bool   `json:"all,omitempty"`
	ID     string `json:"id,omitempty"`     // trace id of the message
	To     string `json:"to,omitempty"`     // address of a recipient
	From   string `json:"from,omitempty"`   // address of the sender, "<>": none
	Domain string `json:"domain,omitempty"` // of the recipients
	Route  string `json:"route,omitempty"`
	Lane   string `json:"lane,omitempty"`
	User   string `json:"user,omitempty"`
	Reason string `json:"reason,omitempty"` // part of the latest reply, or of why it is held; without case
	State  State  `json:"state,omitempty"`  // "" : any but Quarantined
	// Rule is part of the rule that wants them in quarantine, without case; what
	// came before Since, or after Until, is left out.
	Rule  string    `json:"rule,omitempty"`
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

// State is what a message in the queue waits for.
type State string

// The states. Active ones are being tried or about to be; Quarantined ones are
// kept apart, and no part of the queue unless they are asked for.
const (
	Active  State = "active"
	Waiting State = "waiting"
	Held    State = "held"

	Quarantined State = "quarantined"
)

// ErrNoFilter says that a Filter does not say what to choose.
var ErrNoFilter = errors.New("queue: choose messages: by id, by another key, or all")

// check refuses a Filter that says nothing, and brings the others into the
// form that entries have.
func (f *Filter) check() error {
	if *f == (Filter{}) {
		return ErrNoFilter
	}
	f.To, f.From, f.User = asciiDomain(bare(f.To)), asciiDomain(bare(f.From)), asciiDomain(f.User)
	if f.Domain != "" {
		d, err := smtp.ASCIIDomain(f.Domain)
		if err != nil {
			return err
		}
		f.Domain = d
	}
	if _, domain, ok := strings.Cut(f.To, "@"); ok && f.Domain == "" {
		if d, err := smtp.ASCIIDomain(domain[strings.LastIndexByte(domain, '@')+1:]); err == nil {
			f.Domain = d // which has an index
		}
	}
	f.Reason, f.Rule = strings.ToLower(f.Reason), strings.ToLower(f.Rule)
	return nil
}

// bare takes the brackets off an address, as the log writes it; nothing becomes
// empty, which would choose all.
func bare(address string) string {
	inner, ok := strings.CutPrefix(address, "<")
	if inner = strings.TrimSuffix(inner, ">"); ok && inner != "" {
		return inner
	}
	return address
}

// asciiDomain returns an address with its domain in ASCII, so that both ways to
// write it are the same.
func asciiDomain(address string) string {
	i := strings.LastIndexByte(address, '@')
	if i < 0 || !strings.ContainsFunc(address[i:], func(r rune) bool { return r >= 0x80 }) {
		return address
	}
	d, err := smtp.ASCIIDomain(address[i+1:])
	if err != nil {
		return address
	}
	return address[:i+1] + d
}

// fits tells whether an entry is chosen.
func (f *Filter) fits(e *entry, state State) bool {
	m := e.msg
	return (f.ID == "" || m.trace == f.ID) &&
		(f.Domain == "" || e.domain == f.Domain) &&
		(f.Route == "" || e.route == f.Route) &&
		(f.Lane == "" || m.lane() == f.Lane) &&
		(f.User == "" || strings.EqualFold(f.User, asciiDomain(m.user))) &&
		(f.State == state || f.State == "" && state != Quarantined) &&
		(f.Rule == "" || e.kept != nil && strings.Contains(strings.ToLower(e.kept.Rule), f.Rule)) &&
		(f.Since.IsZero() || m.queued >= f.Since.UnixMilli()) && (f.Until.IsZero() || m.queued <= f.Until.UnixMilli()) &&
		(f.From == "" || strings.EqualFold(f.From, cmp.Or(asciiDomain(m.from.String()), "<>"))) &&
		(f.To == "" || slices.ContainsFunc(e.rcpts, func(r recipient) bool { return strings.EqualFold(f.To, asciiDomain(r.to.String())) })) &&
		(f.Reason == "" || f.reason(e))
}

func (f *Filter) reason(e *entry) bool {
	return strings.Contains(strings.ToLower(e.hold), f.Reason) || e.kept != nil && strings.Contains(strings.ToLower(e.kept.Reason), f.Reason) ||
		slices.ContainsFunc(e.rcpts, func(r recipient) bool {
			return !r.last.IsZero() && strings.Contains(strings.ToLower(r.last.Error()), f.Reason)
		})
}

// where returns what the database can tell of f by itself, for a query of
// queue_waiting whose first condition is about id.
func (f *Filter) where() (sql string, args []any) {
	add := func(cond string, arg any) { sql += " AND " + cond; args = append(args, arg) }
	if f.ID != "" {
		add("trace = ?", f.ID)
	}
	if f.Domain != "" {
		add("domain = ?", f.Domain)
	}
	if f.Route != "" {
		add("route = ?", f.Route)
	}
	switch f.State {
	case Quarantined:
		add("held = ?", rowApart)
	case Held:
		add("held = ?", rowHeld)
	case Waiting:
		add("held = ?", rowWaits)
	default:
		add("held < ?", rowApart)
	}
	if !f.Since.IsZero() {
		add("queued >= ?", f.Since.UnixMilli())
	}
	if !f.Until.IsZero() {
		add("queued <= ?", f.Until.UnixMilli())
	}
	return sql, args
}

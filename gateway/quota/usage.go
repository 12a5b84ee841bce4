package quota

import "time"

// counts are what is counted.
type counts struct{ messages, recipients, fresh, refusals int64 }

func (c *counts) add(d counts) {
	c.messages, c.recipients = max(0, c.messages+d.messages), max(0, c.recipients+d.recipients)
	c.fresh, c.refusals = max(0, c.fresh+d.fresh), max(0, c.refusals+d.refusals)
}

// slot is what was counted in one span of time.
type slot struct {
	at int64 // its beginning, Unix seconds; 0: unused
	counts
	dirty bool
}

// window slides over slots. A slot counts until all of it is older than the
// window is long, so that no window of that length has more than the limit.
type window struct {
	span, length int64 // seconds
	slots        []slot
}

func newWindow(span, length time.Duration) window {
	n := int(length/span) + 1
	return window{int64(span / time.Second), int64(length / time.Second), make([]slot, n)}
}

// slot returns the slot of a time, cleared where it held older counts. What was
// counted at a time that is yet to come, before the clock was set back, counts
// now: else limits would begin anew, and the counts again when it has come.
func (w *window) slot(now int64) *slot {
	at := now - now%w.span
	var early counts
	for i := range w.slots {
		if x := &w.slots[i]; x.at > at {
			early.add(x.counts)
			x.counts, x.dirty = counts{}, true
		}
	}
	s := &w.slots[int(at/w.span)%len(w.slots)]
	if s.at != at {
		*s = slot{at: at}
	}
	s.add(early)
	return s
}

// soil has all that is counted written again.
func (w *window) soil() {
	for i := range w.slots {
		w.slots[i].dirty = w.slots[i].at != 0
	}
}

// counts tells whether a slot is within the window.
func (w *window) counts(s *slot, now int64) bool {
	return s.at != 0 && s.at <= now && s.at+w.span+w.length > now
}

// sum adds up the window.
func (w *window) sum(now int64) (c counts) {
	for i := range w.slots {
		if s := &w.slots[i]; w.counts(s, now) {
			c.add(s.counts)
		}
	}
	return c
}

// again returns when so much has left the window that what get counts is no
// more than most. It is the window's length away at most.
func (w *window) again(now, most int64, get func(*counts) int64) int64 {
	c := w.sum(now)
	left := get(&c)
	first := now - now%w.span - int64(len(w.slots)-1)*w.span
	for at := first; at <= now; at += w.span {
		s := &w.slots[int(at/w.span)%len(w.slots)]
		if s.at != at || !w.counts(s, now) {
			continue
		}
		if left -= get(&s.counts); left <= most {
			return at + w.span + w.length
		}
	}
	return now + w.length
}

// usage is what one sender has sent. It is guarded by a lock of its own.
type usage struct {
	hour, day window
	told      int64 // when an alert was last given, Unix seconds
}

func newUsage() *usage { return &usage{hour: newWindow(hourSlot, hour), day: newWindow(daySlot, day)} }

func (u *usage) add(now int64, d counts) {
	for _, w := range []*window{&u.hour, &u.day} {
		s := w.slot(now)
		s.add(d)
		s.dirty = true
	}
}

// reach is a limit that would be exceeded.
type reach struct {
	limit int64
	left  int64
	more  int64  // what was asked for
	what  string // "messages an hour"
	again int64  // Unix seconds
}

// check tells whether more may be sent; nil: it may. least is what is left
// least of, in proportion, after it.
func (u *usage) check(now int64, l Limits, d counts) (over *reach, least reach) {
	u.hour.slot(now)
	u.day.slot(now)
	h, dy := u.hour.sum(now), u.day.sum(now)
	part := 2.0
	for _, x := range [...]struct {
		limit int
		used  int64
		more  int64
		w     *window
		what  string
		get   func(*counts) int64
	}{
		{l.MessagesHour, h.messages, d.messages, &u.hour, "messages an hour", messagesOf},
		{l.RecipientsHour, h.recipients, d.recipients, &u.hour, "recipients an hour", recipientsOf},
		{l.MessagesDay, dy.messages, d.messages, &u.day, "messages a day", messagesOf},
		{l.RecipientsDay, dy.recipients, d.recipients, &u.day, "recipients a day", recipientsOf},
		{l.NewDay, dy.fresh, d.fresh, &u.day, "new recipients a day", freshOf},
	} {
		limit := int64(x.limit)
		if limit <= 0 {
			continue
		}
		r := reach{limit: limit, left: max(0, limit-x.used), more: x.more, what: x.what}
		if x.more > r.left {
			r.again = x.w.again(now, max(0, limit-x.more), x.get)
			return &r, reach{}
		}
		r.left -= x.more
		if p := float64(r.left) / float64(limit); p < part {
			part, least = p, r
		}
	}
	return nil, least
}

func messagesOf(c *counts) int64   { return c.messages }
func recipientsOf(c *counts) int64 { return c.recipients }
func freshOf(c *counts) int64      { return c.fresh }

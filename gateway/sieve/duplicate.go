package sieve

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

// Times that the duplicate test remembers an ID.
const (
	defaultDuplicate = 7 * 24 * time.Hour
	maxDuplicate     = 90 * 24 * time.Hour
)

// maxRemember is how many IDs one run may have remembered.
const maxRemember = 20

// duplicateSpecs is RFC 7352.
func duplicateSpecs() []spec {
	return []spec{{
		name: "duplicate", ext: "duplicate", test: true, tags: []tagSpec{
			{name: "handle", param: []param{{aString, "handle", false}}},
			{name: "header", group: "of :header and :uniqueid", param: []param{{aString, "header name", false}}},
			{name: "uniqueid", group: "of :header and :uniqueid", param: []param{{aString, "unique ID", false}}},
			{name: "seconds", param: []param{{aNumber, "seconds", true}}},
			{name: "last"},
		}, check: compileDuplicate,
	}}
}

type duplicateTest struct {
	Pos
	handle, header, unique *str
	period                 time.Duration
	last                   bool
}

func compileDuplicate(_ *compiler, n *node, a *args) test {
	t := &duplicateTest{
		Pos: n.Pos, handle: a.str("handle"), header: a.str("header"), unique: a.str("uniqueid"),
		period: defaultDuplicate, last: a.has("last"),
	}
	if v := a.tags["seconds"]; v.given {
		t.period = time.Duration(min(v.num, uint64(maxDuplicate/time.Second))) * time.Second
	}
	return t
}

// eval tells whether a message with the same ID came before. A message is
// remembered when it is delivered, and none is a duplicate of itself.
func (t *duplicateTest) eval(r *run) (bool, error) {
	id, ok, err := t.id(r)
	if err != nil || !ok {
		return false, err
	}
	handle := ""
	if t.handle != nil {
		if handle, err = t.handle.eval(r); err != nil {
			return false, err
		}
	}
	key := hashKey("duplicate", handle, t.kind(), id)
	seen := false
	if r.env.Duplicates != nil {
		if err := r.spend(lookup); err != nil {
			return false, err
		}
		if seen, err = r.env.Duplicates.Seen(r.ctx, key); err != nil {
			return false, err
		}
	}
	if seen && !t.last {
		return true, nil
	}
	return seen, r.keepInMind(t.Pos, Remember{Key: key, For: t.period})
}

func (t *duplicateTest) kind() string {
	if t.unique != nil {
		return "uniqueid"
	}
	return "header"
}

// id returns what the message is known by; false where it lacks the field.
func (t *duplicateTest) id(r *run) (string, bool, error) {
	if t.unique != nil {
		id, err := t.unique.eval(r)
		return id, true, err
	}
	name := "message-id"
	if t.header != nil {
		var err error
		if name, err = t.header.eval(r); err != nil {
			return "", false, err
		}
	}
	values, err := r.values(fold(name))
	if err != nil || len(values) == 0 {
		return "", false, err
	}
	return values[0], true, nil
}

func (r *run) keepInMind(p Pos, m Remember) error {
	for _, old := range r.remember {
		if old.Key == m.Key {
			return nil
		}
	}
	if len(r.remember) >= maxRemember {
		return r.limit(p, "more than %d duplicate tests that remember", maxRemember)
	}
	r.remember = append(r.remember, m)
	return nil
}

// hashKey makes a key of words of any length.
func hashKey(words ...string) string {
	h := sha256.New()
	for _, w := range words {
		var n [8]byte
		for i, l := 0, len(w); i < 8; i, l = i+1, l>>8 {
			n[i] = byte(l)
		}
		h.Write(n[:])
		h.Write([]byte(w))
	}
	return words[0] + ":" + hex.EncodeToString(h.Sum(nil)[:20])
}

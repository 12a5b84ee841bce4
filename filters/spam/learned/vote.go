package learned

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

const (
	// voiceOfShare is what a user's lesson weighs in the reputation of a sender
	// for a share of the installation of one, where an administrator's weighs 1. With
	// it his opinion of a sender nobody else knows moves the log-odds of all that
	// filters ask of it (half of the address's, 0.4 of the domain's, a quarter of
	// the links') by less than that share.
	voiceOfShare = 0.55
	// maxVotes bounds how many lessons of a user are looked at.
	maxVotes = 5000
)

// mention is one name that a lesson is about, and by how much a voice of one
// moves its reputation: above 0 what is bad of it, below 0 what is good.
type mention struct {
	name string
	by   float64
}

// mentions are the names of the lesson's sender.
func (l *Lesson) mentions() (list []mention) {
	by := -1.0
	if l.Spam {
		by = 1
	}
	for _, name := range l.Sender.names().all() {
		list = append(list, mention{name, by})
	}
	return list
}

// written are mentions as they are kept: names, one a line, those of clues with
// how much.
func written(list []mention) string {
	var b strings.Builder
	for i, m := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(m.name)
		if strings.HasPrefix(m.name, kindClue) {
			b.WriteByte(' ')
			b.WriteString(strconv.FormatFloat(m.by, 'g', -1, 64))
		}
	}
	return b.String()
}

// readMentions reads what a lesson of a class is about.
func readMentions(s string, spam bool) (list []mention) {
	if s == "" {
		return nil
	}
	for line := range strings.SplitSeq(s, "\n") {
		name, amount, ok := strings.Cut(line, " ")
		m := mention{name, -1}
		if spam {
			m.by = 1
		}
		if ok {
			m.by, _ = strconv.ParseFloat(amount, 64) // what is damaged is nothing
		}
		list = append(list, m)
	}
	return list
}

// lines are those of a text; none of an empty one.
func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

func namesOf(list []mention) []string {
	names := make([]string, len(list))
	for i, m := range list {
		names[i] = m.name
	}
	return names
}

// vote says how much a lesson weighs in the reputation of its sender, and in
// that of whom. A user has one voice in half a life for each name and class: a
// hundred messages of one sender are one opinion of him. What the options keep
// from others' layers is kept from the reputation, which all share.
func (o Options) vote(ctx context.Context, tx *sqldb.Tx, p *prepared, t *teacher, a alike, said opinions, now time.Time) error {
	p.voice, p.speaks = 1, p.about
	if p.User == "" {
		return nil
	}
	p.voice = min(1, voiceOfShare*o.Share.Installation) * o.trust(&p.Lesson, t, a, now)
	if p.voice == 0 {
		p.speaks = nil
		return nil
	}
	spoke, err := said.of(ctx, tx, p)
	if err != nil {
		return err
	}
	p.speaks = slices.DeleteFunc(slices.Clone(p.about), func(m mention) bool { return !spoke.free(m.name, p.At.Unix()) })
	spoke.note(p.At.Unix(), namesOf(p.speaks)...)
	return nil
}

// opinions are of what users have spoken, as far as one transaction has asked:
// who teaches ten thousand messages at once has not all that he said before read
// for each of them.
type opinions map[speaker]opinion

type speaker struct {
	user string
	spam bool
}

type opinion struct {
	since int64
	spoke voices
}

// of returns of what the user of a lesson has spoken in the half life before it.
func (o opinions) of(ctx context.Context, tx *sqldb.Tx, p *prepared) (voices, error) {
	k, since := speaker{p.User, p.Spam}, p.At.Add(-halfLife).Unix()
	if x, ok := o[k]; ok && x.since <= since {
		return x.spoke, nil
	}
	list, err := votesOf(ctx, tx, p.User, p.Spam, since)
	if err != nil {
		return nil, err
	}
	x := opinion{since, voices{}}
	for _, v := range list {
		x.spoke.note(v.at, lines(v.sender)...)
	}
	o[k] = x
	return x.spoke, nil
}

// forget has it asked again: lessons of a user were taken back.
func (o opinions) forget(user string) {
	delete(o, speaker{user, false})
	delete(o, speaker{user, true})
}

// voices tell when a user has last spoken of a name.
type voices map[string]int64

// note notes that a user spoke.
func (v voices) note(at int64, names ...string) {
	for _, name := range names {
		if old, ok := v[name]; !ok || at > old {
			v[name] = at
		}
	}
}

// free tells whether he has not spoken of a name in the half life before a time.
func (v voices) free(name string, at int64) bool {
	last, ok := v[name]
	return !ok || last <= at-int64(halfLife/time.Second)
}

// votesOf are lessons of a user that speak, or would, since a time, in their order.
func votesOf(ctx context.Context, tx *sqldb.Tx, user string, spam bool, since int64) (list []kept, err error) {
	rows, err := tx.Query(ctx, "SELECT id, at, voice, sender, about FROM learned_lessons WHERE username = ? AND live = 1 AND spam = ? AND at > ? AND voice > 0 AND about <> '' ORDER BY id DESC LIMIT ?",
		user, spam, since, maxVotes)
	list, err = sqldb.Collect(rows, err, func(row *sqldb.Rows) (k kept, err error) {
		k.spam = spam
		err = row.Scan(&k.id, &k.at, &k.voice, &k.sender, &k.about)
		return k, err
	})
	slices.Reverse(list)
	return list, err
}

// revoice has lessons of a user speak in the place of some that were taken
// back, as they would have without those: it returns the names of which
// another lesson speaks now.
func revoice(ctx context.Context, tx *sqldb.Tx, user string, spam bool, gone []kept) (changed []string, err error) {
	first, since := gone[0].id, gone[0].at
	names := map[string]bool{}
	for _, k := range gone {
		first, since = min(first, k.id), min(since, k.at)
		for _, name := range lines(k.sender) {
			names[name] = true
		}
	}
	if len(names) == 0 {
		return nil, nil
	}
	list, err := votesOf(ctx, tx, user, spam, since-int64(halfLife/time.Second))
	if err != nil {
		return nil, err
	}
	spoke := voices{}
	for _, k := range list {
		if k.id < first {
			spoke.note(k.at, lines(k.sender)...)
			continue
		}
		moved, err := k.revoice(ctx, tx, names, spoke)
		if err != nil {
			return nil, err
		}
		changed = append(changed, moved...)
	}
	return changed, nil
}

// revoice has a lesson speak of those of the names of which its user has not
// spoken lately, and be silent of the others.
func (k *kept) revoice(ctx context.Context, tx *sqldb.Tx, names map[string]bool, spoke voices) (changed []string, err error) {
	var now []string
	var begin, end []mention
	was := lines(k.sender)
	for _, m := range readMentions(k.about, k.spam) {
		before := slices.Contains(was, m.name)
		speaks := before
		if names[m.name] {
			speaks = spoke.free(m.name, k.at)
		}
		switch {
		case speaks && !before:
			begin = append(begin, m)
		case before && !speaks:
			end = append(end, m)
		}
		if speaks {
			now = append(now, m.name)
		}
	}
	spoke.note(k.at, now...)
	if len(begin)+len(end) == 0 {
		return nil, nil
	}
	if _, err := tx.Exec(ctx, "UPDATE learned_lessons SET sender = ? WHERE id = ?", strings.Join(now, "\n"), k.id); err != nil {
		return nil, err
	}
	if err := repute(ctx, tx, k.id, k.at, k.voice, begin); err != nil {
		return nil, err
	}
	return append(namesOf(begin), namesOf(end)...), unrepute(ctx, tx, k.id, k.at, k.voice, end)
}

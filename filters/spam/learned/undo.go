package learned

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// undoLessons bounds how many lessons one transaction takes back.
const undoLessons = 50

// Undone says what was taken back.
type Undone struct{ Ham, Spam int }

func (u *Undone) add(k kept) {
	if k.spam {
		u.Spam++
	} else {
		u.Ham++
	}
}

// Undo takes back what a user has taught of a message; user "" : what an
// administrator has. An ErrUnknown tells that no such lesson is kept.
func (s *Store) Undo(ctx context.Context, user, key string) error {
	n, err := s.UndoMessages(ctx, user, key)
	if err == nil && n == (Undone{}) {
		err = fmt.Errorf("%w: %.100q of %q", ErrUnknown, key, user)
	}
	return err
}

// UndoMessages takes back what a user has taught of messages, which keys name;
// user "" : what administrators have. What nobody has taught is passed over.
func (s *Store) UndoMessages(ctx context.Context, user string, keys ...string) (n Undone, err error) {
	if user, err = teacherName(user); err != nil {
		return n, err
	}
	if keys, err = s.latestFirst(ctx, user, keys); err != nil {
		return n, err
	}
	for some := range slices.Chunk(keys, undoLessons) {
		if _, err = s.undoSome(ctx, user, &n, func(context.Context, *sqldb.Tx) ([]string, error) { return some, nil }, nil); err != nil {
			break
		}
	}
	return n, errors.Join(err, s.catchUp(ctx))
}

// latestFirst returns those of the keys that a user has taught, the latest first:
// so that few lessons come after one that is taken back, however many are.
func (s *Store) latestFirst(ctx context.Context, user string, keys []string) ([]string, error) {
	ids := make(map[string]int64, len(keys))
	for _, key := range keys {
		k, err := live(ctx, s.deps.DB.Read(), user, key)
		if errors.Is(err, sqldb.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("learned: undo: %w", err)
		}
		ids[key] = k.id
	}
	keys = slices.Collect(maps.Keys(ids))
	slices.SortFunc(keys, func(a, b string) int { return cmp.Compare(ids[b], ids[a]) })
	return keys, nil
}

// UndoSince takes back what a user has taught since a time and is kept; user
// "" : what administrators have.
func (s *Store) UndoSince(ctx context.Context, user string, since time.Time) (n Undone, err error) {
	if user, err = teacherName(user); err != nil {
		return n, err
	}
	for more := true; more && err == nil; {
		more, err = s.undoSome(ctx, user, &n, func(ctx context.Context, tx *sqldb.Tx) ([]string, error) { return taughtSince(ctx, tx, user, since) }, nil)
	}
	return n, errors.Join(err, s.catchUp(ctx))
}

// teacherName returns the name under which lessons of a user are kept.
func teacherName(user string) (string, error) {
	if user == "" {
		return "", nil
	}
	name, ok := account(user)
	if !ok {
		return "", fmt.Errorf("%w: %.100q is no user", ErrUnknown, user)
	}
	return name, nil
}

// taughtSince are keys of lessons, the latest first.
func taughtSince(ctx context.Context, tx *sqldb.Tx, user string, since time.Time) ([]string, error) {
	return sqldb.Column[string](tx.Query(ctx, "SELECT message FROM learned_lessons WHERE username = ? AND live = 1 AND at >= ? ORDER BY id DESC LIMIT ?", user, since.Unix(), undoLessons))
}

// undoSome writes that some lessons of a user are undone, in one transaction;
// false: which names none. Where there were fewer than fit, last ends that
// transaction, if it is not nil.
func (s *Store) undoSome(ctx context.Context, user string, n *Undone, which func(context.Context, *sqldb.Tx) ([]string, error), last func(context.Context, *sqldb.Tx) error) (bool, error) {
	var list []kept
	var names []string
	err := s.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		keys, err := which(ctx, tx)
		if err != nil {
			return err
		}
		now := time.Now()
		if list, err = undoKeys(ctx, tx, user, keys, now); err != nil {
			return err
		}
		if names, err = takeBack(ctx, tx, user, now, list...); err != nil || last == nil || len(keys) >= undoLessons {
			return err
		}
		return last(ctx, tx)
	})
	if err != nil {
		return false, fmt.Errorf("learned: undo: %w", err)
	}
	s.forget(names)
	for _, k := range list {
		n.add(k)
		s.deps.Metrics.lesson("undone", k.spam)
	}
	return len(list) > 0, s.flushFull(ctx)
}

// undoKeys logs that lessons of a user are undone, which it returns.
func undoKeys(ctx context.Context, tx *sqldb.Tx, user string, keys []string, now time.Time) (list []kept, err error) {
	for _, key := range keys {
		k, err := live(ctx, tx, user, key)
		if errors.Is(err, sqldb.ErrNoRows) {
			continue
		}
		if err == nil {
			_, err = tx.Exec(ctx, "UPDATE learned_lessons SET live = 0 WHERE id = ?", k.id) // a key may be named twice
		}
		if err == nil {
			err = logUndo(ctx, tx, user, key, k, now)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	return list, nil
}

// UndoUser takes back all lessons of a user that are kept, and forgets what
// else he taught his own layer, and his contacts: of an account that was
// abused, or is no more. What he teaches meanwhile is either taken back or wholly
// kept.
func (s *Store) UndoUser(ctx context.Context, user string) (n Undone, err error) {
	user, ok := account(user)
	if !ok {
		return n, fmt.Errorf("%w: no user", ErrUnknown)
	}
	if err := s.flush(ctx); err != nil { // contacts that wait to be written
		return n, err
	}
	which := func(ctx context.Context, tx *sqldb.Tx) ([]string, error) {
		return taughtSince(ctx, tx, user, time.Unix(0, 0))
	}
	gone := false
	last := func(ctx context.Context, tx *sqldb.Tx) error {
		if err := logUndo(ctx, tx, user, "", kept{id: dropLayer}, time.Now()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "DELETE FROM learned_contacts WHERE username = ?", user)
		gone = err == nil
		return err
	}
	for !gone && err == nil {
		_, err = s.undoSome(ctx, user, &n, which, last)
	}
	s.contacts.clear()
	return n, errors.Join(err, s.catchUp(ctx))
}

// dropLayer stands for a lesson in the undoing that drops a user's layer.
const dropLayer = -1

// logUndo writes that a lesson is undone, for who learns by the log.
func logUndo(ctx context.Context, tx *sqldb.Tx, user, key string, k kept, now time.Time) error {
	var id int64
	return tx.QueryRow(ctx, insertLesson, user, domainOf(user), key, "undo", k.spam, now.Unix(), k.id, 0, k.ownW, k.domainW, k.sharedW, "", "", 0, 0, []byte{}).Scan(&id)
}

// takeBack takes lessons of one user off all that is counted at once: the
// reputation, where others of his lessons speak in their place; the budget that
// they used, and what they made of his trust. It returns the names whose
// reputation has changed.
func takeBack(ctx context.Context, tx *sqldb.Tx, user string, now time.Time, list ...kept) (names []string, err error) {
	byClass := map[bool][]kept{}
	for _, k := range list {
		if _, err := tx.Exec(ctx, "UPDATE learned_lessons SET live = 0 WHERE id = ?", k.id); err != nil {
			return nil, err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM learned_digests WHERE lesson = ?", k.id); err != nil {
			return nil, err
		}
		spoke := k.spoken()
		if err := unrepute(ctx, tx, k.id, k.at, k.voice, spoke); err != nil {
			return nil, err
		}
		names = append(names, namesOf(spoke)...)
		byClass[k.spam] = append(byClass[k.spam], k)
	}
	if user == "" || len(list) == 0 { // administrators are not weighed
		return names, nil
	}
	for _, spam := range []bool{false, true} {
		if len(byClass[spam]) == 0 {
			continue
		}
		changed, err := revoice(ctx, tx, user, spam, byClass[spam])
		if err != nil {
			return nil, err
		}
		names = append(names, changed...)
	}
	return names, forgive(ctx, tx, user, list, now)
}

// spoken are the mentions of a lesson that count.
func (k *kept) spoken() []mention {
	was := lines(k.sender)
	return slices.DeleteFunc(readMentions(k.about, k.spam), func(m mention) bool { return !slices.Contains(was, m.name) })
}

// forgive gives back what lessons took off their teacher's budget, and takes
// back what they made of his trust. How many he taught today stays.
func forgive(ctx context.Context, tx *sqldb.Tx, user string, list []kept, now time.Time) error {
	var t teacher
	row := tx.QueryRow(ctx, "SELECT day, today, agreed, contradicted, spent_domain, spent_all FROM learned_teachers WHERE username = ?", user)
	err := row.Scan(&t.day, &t.today, &t.agreed, &t.contradicted, &t.spentDomain, &t.spentAll)
	if errors.Is(err, sqldb.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, k := range list {
		by := inflate(time.Unix(k.at, 0), budgetLife)
		t.spentDomain = less(t.spentDomain, by*k.domainW)
		t.spentAll = less(t.spentAll, by*k.sharedW)
		t.agreed = less(t.agreed, max(0, k.judged))
		t.contradicted = less(t.contradicted, max(0, -k.judged))
	}
	return t.save(ctx, tx, user)
}

// less takes something off a count; what rounding leaves of it is nothing.
func less(count, by float64) float64 {
	if count -= by; count > by*rounding {
		return count
	}
	return 0
}

// Refresh takes up what other processes have changed: lessons that were taught
// or taken back, and what followed for senders and contacts.
func (s *Store) Refresh(ctx context.Context) error {
	s.behind.flushes.Add(1) // who has read a name before this does not keep it
	s.names.clear()
	s.contacts.clear()
	return errors.Join(s.resample(ctx), s.catchUp(ctx))
}

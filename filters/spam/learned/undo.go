package learned

import (
	"context"
	"errors"
	"fmt"
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
	for len(keys) > 0 && err == nil {
		some := keys[:min(len(keys), undoLessons)]
		keys = keys[len(some):]
		_, err = s.undoSome(ctx, user, &n, func(context.Context, *sqldb.Tx) ([]string, error) { return some, nil })
	}
	return n, errors.Join(err, s.catchUp(ctx))
}

// UndoSince takes back what a user has taught since a time and is kept; user
// "" : what administrators have.
func (s *Store) UndoSince(ctx context.Context, user string, since time.Time) (n Undone, err error) {
	if user, err = teacherName(user); err != nil {
		return n, err
	}
	for more := true; more && err == nil; {
		more, err = s.undoSome(ctx, user, &n, func(ctx context.Context, tx *sqldb.Tx) ([]string, error) { return taughtSince(ctx, tx, user, since) })
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
// false: which names none.
func (s *Store) undoSome(ctx context.Context, user string, n *Undone, which func(context.Context, *sqldb.Tx) ([]string, error)) (bool, error) {
	var list []kept
	err := s.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		keys, err := which(ctx, tx)
		if err != nil {
			return err
		}
		list = list[:0]
		for _, key := range keys {
			k, err := live(ctx, tx, user, key)
			if errors.Is(err, sqldb.ErrNoRows) {
				continue
			}
			if err == nil {
				err = undo(ctx, tx, user, key, k, time.Now())
			}
			if err != nil {
				return err
			}
			list = append(list, k)
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("learned: undo: %w", err)
	}
	for _, k := range list {
		n.add(k)
		s.unrepute(k)
		s.deps.Metrics.lesson("undone", k.spam)
	}
	return len(list) > 0, s.flushFull(ctx)
}

// UndoUser takes back all lessons of a user that are kept, and forgets what
// else he taught his own layer, and his contacts: of an account that was
// abused, or is no more.
func (s *Store) UndoUser(ctx context.Context, user string) (n Undone, err error) {
	user, ok := account(user)
	if !ok {
		return n, fmt.Errorf("%w: no user", ErrUnknown)
	}
	if n, err = s.UndoSince(ctx, user, time.Unix(0, 0)); err != nil {
		return n, err
	}
	err = s.deps.DB.Write(ctx, func(ctx context.Context, tx *sqldb.Tx) error {
		if err := undo(ctx, tx, user, "", kept{id: dropLayer}, time.Now()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "DELETE FROM learned_contacts WHERE username = ?", user)
		return err
	})
	if err != nil {
		return n, fmt.Errorf("learned: undo: %w", err)
	}
	s.contacts.clear()
	return n, s.catchUp(ctx)
}

// dropLayer stands for a lesson in the undoing that drops a user's layer.
const dropLayer = -1

// undo writes that a lesson is undone.
func undo(ctx context.Context, tx *sqldb.Tx, user, key string, k kept, now time.Time) error {
	if _, err := tx.Exec(ctx, "UPDATE learned_lessons SET live = 0 WHERE id = ?", k.id); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM learned_digests WHERE lesson = ?", k.id); err != nil {
		return err
	}
	var id int64
	return tx.QueryRow(ctx, insertLesson, user, domainOf(user), key, "undo", k.spam, now.Unix(), k.id, 0, k.ownW, k.domainW, k.sharedW, "", 0, []byte{}).Scan(&id)
}

// Refresh takes up what other processes have changed: lessons that were taught
// or taken back, and what followed for senders and contacts.
func (s *Store) Refresh(ctx context.Context) error {
	s.behind.flushes.Add(1) // who has read a name before this does not keep it
	s.names.clear()
	s.contacts.clear()
	return s.catchUp(ctx)
}

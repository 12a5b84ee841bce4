package mailbox

import (
	"context"
	"maps"
	"slices"
)

// User is one user's mail.
type User struct {
	s    *Store
	id   int64
	name string
}

// Name is the name in lower case.
func (u *User) Name() string { return u.name }

// with calls f with the user's state, its mutex held for reading.
func (u *User) with(ctx context.Context, f func(st *userState) error) error {
	st, err := u.s.acquire(ctx, u.id)
	if err != nil {
		return err
	}
	defer u.s.release(st)
	st.mu.RLock()
	defer st.mu.RUnlock()
	return f(st)
}

// do has the journal write what makes returns.
func (u *User) do(ctx context.Context, make func(st *userState) (op, error)) error {
	st, err := u.s.acquire(ctx, u.id)
	if err != nil {
		return err
	}
	defer u.s.release(st)
	o, err := make(st)
	if err != nil {
		return err
	}
	var all op = opFunc(func(ctx context.Context, p *plan) error {
		if p.left(st) {
			return ErrNoUser
		}
		return o.plan(ctx, p)
	})
	if frees(o) {
		all = freeing{all}
	}
	return u.s.journal.do(ctx, all, st)
}

// Folders lists the folders by name, INBOX first.
func (u *User) Folders(ctx context.Context) (list []Folder, err error) {
	err = u.with(ctx, func(st *userState) error {
		list = make([]Folder, len(st.folders))
		for i, f := range st.folders {
			list[i] = f.folder()
		}
		return nil
	})
	return list, err
}

// Folder returns one; ErrNoFolder.
func (u *User) Folder(ctx context.Context, name string) (out Folder, err error) {
	clean, err := CleanName(name)
	if err != nil {
		return out, ErrNoFolder
	}
	err = u.with(ctx, func(st *userState) error {
		f := st.find(clean)
		if f == nil {
			return ErrNoFolder
		}
		out = f.folder()
		return nil
	})
	return out, err
}

// WithRole returns the folder of a role; ErrNoFolder.
func (u *User) WithRole(ctx context.Context, role Role) (out Folder, err error) {
	err = u.with(ctx, func(st *userState) error {
		for _, f := range st.folders {
			if f.row.Role == role && role != RoleNone {
				out = f.folder()
				return nil
			}
		}
		return ErrNoFolder
	})
	return out, err
}

// Subscriptions lists the names subscribed to, with and without a folder.
func (u *User) Subscriptions(ctx context.Context) (names []string, err error) {
	err = u.with(ctx, func(st *userState) error {
		names = slices.SortedFunc(maps.Keys(st.subscribed), compareNames)
		return nil
	})
	return names, err
}

// Lock gives the maildrop to one session (POP3) until release is called;
// ErrInUse. IMAP sessions and deliveries go on.
func (u *User) Lock(context.Context) (release func(), err error) {
	s := u.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.locked[u.id]; taken {
		return nil, ErrInUse
	}
	s.locked[u.id] = struct{}{}
	return func() {
		s.mu.Lock()
		delete(s.locked, u.id)
		s.mu.Unlock()
	}, nil
}

// Refresh takes up at once what other processes have done to the user's mail,
// of which Views are told within a second otherwise.
func (u *User) Refresh(ctx context.Context) error {
	st, err := u.s.acquire(ctx, u.id)
	if err != nil {
		return err
	}
	defer u.s.release(st)
	return u.s.refresh(ctx, st)
}

// Store is where the user's mail is.
func (u *User) Store() *Store { return u.s }

package account

import (
	"context"
	"time"
)

// Gone tells whether a user who has logged in is none any more, so that its
// sessions are to end: one who is kept neither here nor in the directory, or is
// disabled here. The error wraps ErrTemporary where the directory does not
// answer, or is ctx's.
func (a *Accounts) Gone(ctx context.Context, user string) (bool, error) {
	r, err := a.lookup(ctx, user)
	switch {
	case err != nil:
		return false, err
	case r.user != nil:
		return r.user.Disabled, nil
	}
	return a.set.Load().ldap.left(ctx, user)
}

// left tells whether a user is not in the directory. Where it shows an entry to
// nobody but its user, a login counts for selfTime.
func (d *directory) left(ctx context.Context, user string) (bool, error) {
	e, err := d.find(ctx, user)
	if err != nil || e != nil {
		return false, err
	}
	if d == nil || d.opt.UserDN == "" {
		return true, nil
	}
	d.mu.Lock()
	x, _ := d.selves.get(user)
	d.mu.Unlock()
	return !time.Now().Before(x.until), nil
}

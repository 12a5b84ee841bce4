package mailbox

import (
	"context"
	"strings"
)

// maxSubscriptions bounds the names that a user may be subscribed to, beyond
// as many as there may be folders.
const maxSubscriptions = 1000

// opFunc is an op of one function.
type opFunc func(ctx context.Context, p *plan) error

func (f opFunc) plan(ctx context.Context, p *plan) error { return f(ctx, p) }

// idsFor returns ids and keys for the folders that making one may take.
func (s *Store) idsFor(ctx context.Context, st *userState, name string) ([]int64, error) {
	st.mu.RLock()
	n := 0
	for p := name; p != "" && st.find(p) == nil; p = parent(p) {
		n++
	}
	st.mu.RUnlock()
	ids := make([]int64, 2*n)
	for i := range ids {
		var err error
		if ids[i], err = s.newID(ctx); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// parent is the name of the folder above; "": there is none.
func parent(name string) string {
	if i := strings.LastIndex(name, Separator); i >= 0 {
		return name[:i]
	}
	return ""
}

// mayCreate tells whether folders can be made.
func (p *plan) mayCreate(u *userState, name string, n int) error {
	for q := name; q != "" && p.find(u, q) == nil; q = parent(q) {
		if n--; n < 0 {
			return ErrNoFolder // one above it has gone just now
		}
	}
	if len(p.folders(u))+strings.Count(name, Separator)+1 > p.s.options().Folders {
		return ErrLimit
	}
	return nil
}

// create makes a folder that is not there, and those above it.
func (p *plan) create(ctx context.Context, u *userState, name string, role Role, ids []int64) (*folderState, error) {
	if up := parent(name); up != "" && p.find(u, up) == nil {
		if _, err := p.create(ctx, u, up, RoleNone, ids[2:]); err != nil {
			return nil, err
		}
	}
	validity, err := newValidity(ctx, p.tx)
	if p.fail(err) != nil {
		return nil, err
	}
	u.mu.RLock()
	subscribed := u.subscribed[name]
	u.mu.RUnlock()
	f := &folderState{user: u, uids: noUIDs, row: folderRow{
		Folder: Folder{ID: FolderID(ids[0]), Name: name, Role: role, Validity: validity, Next: 1, ModSeq: 1, Subscribed: subscribed}, key: ids[1],
	}}
	if _, err := p.exec(ctx, sqlInsertFolder, f.row.insertion(u.id)...); err != nil {
		return nil, err
	}
	d := p.user(u)
	d.changed = true
	d.names[name] = f
	d.news = append(d.news, news{f: f, created: true})
	d.apply = append(d.apply, func() { u.folders = append(u.folders, f) })
	return f, nil
}

// Create makes a folder, and those above it that are not there. ErrExists,
// ErrName, ErrRole, ErrLimit.
func (u *User) Create(ctx context.Context, name string, role Role) (out Folder, err error) {
	name, err = CleanName(name)
	if err != nil {
		return out, err
	}
	if role == RoleInbox || role >= roles {
		return out, ErrRole
	}
	err = u.do(ctx, func(st *userState) (op, error) {
		ids, err := u.s.idsFor(ctx, st, name)
		return opFunc(func(ctx context.Context, p *plan) error {
			if p.find(st, name) != nil {
				return ErrExists
			}
			if err := p.roleFree(st, role); err != nil {
				return err
			}
			if err := p.mayCreate(st, name, len(ids)/2); err != nil {
				return err
			}
			f, err := p.create(ctx, st, name, role, ids)
			if err == nil {
				out = f.row.Folder
			}
			return err
		}), err
	})
	return out, err
}

// roleFree tells whether no folder has the role.
func (p *plan) roleFree(u *userState, role Role) error {
	if role == RoleNone {
		return nil
	}
	for _, f := range p.folders(u) {
		if p.row(f).Role == role {
			return ErrRole
		}
	}
	return nil
}

// SetRole gives a folder a role, or takes it (RoleNone). ErrRole: another
// folder has it.
func (u *User) SetRole(ctx context.Context, name string, role Role) error {
	name, err := CleanName(name)
	if err != nil {
		return ErrNoFolder
	}
	if role == RoleInbox || role >= roles || name == Inbox {
		return ErrRole
	}
	return u.do(ctx, func(st *userState) (op, error) {
		return opFunc(func(ctx context.Context, p *plan) error {
			f := p.find(st, name)
			if f == nil {
				return ErrNoFolder
			}
			if p.row(f).Role == role {
				return nil
			}
			if err := p.roleFree(st, role); err != nil {
				return err
			}
			d, err := p.folder(ctx, f)
			if err != nil {
				return err
			}
			d.row.Role = role
			d.user.changed = true
			_, err = p.exec(ctx, sqlFolderRole, int64(role), int64(d.row.ID))
			return err
		}), nil
	})
}

// Rename renames a folder and those below it, and makes those above it that are
// not there. Renaming INBOX moves its messages to a new folder of that name, and
// leaves INBOX, and what is below it, where they are. Subscriptions stay with
// the old names (RFC 9051 section 6.3.6). ErrNoFolder, ErrExists, ErrName.
func (u *User) Rename(ctx context.Context, from, to string) error {
	from, err := CleanName(from)
	if err != nil {
		return ErrNoFolder
	}
	if to, err = CleanName(to); err != nil {
		return err
	}
	if to == Inbox {
		return ErrExists
	}
	if strings.HasPrefix(to, from+Separator) && from != Inbox {
		return ErrName
	}
	return u.do(ctx, func(st *userState) (op, error) {
		ids, err := u.s.idsFor(ctx, st, to)
		return opFunc(func(ctx context.Context, p *plan) error {
			if p.find(st, from) == nil {
				return ErrNoFolder
			}
			if p.find(st, to) != nil {
				return ErrExists
			}
			if err := p.mayCreate(st, to, len(ids)/2); err != nil {
				return err
			}
			if from == Inbox {
				return p.renameInbox(ctx, st, to, ids)
			}
			return p.rename(ctx, st, from, to, ids)
		}), err
	})
}

// rename gives a folder and those below it other names.
func (p *plan) rename(ctx context.Context, st *userState, from, to string, ids []int64) error {
	var list []*folderState
	for _, f := range p.folders(st) {
		name := p.row(f).Name
		if below, ok := strings.CutPrefix(name, from); ok && (below == "" || strings.HasPrefix(below, Separator)) {
			if _, err := CleanName(to + below); err != nil || p.find(st, to+below) != nil {
				return ErrName
			}
			list = append(list, f)
		}
	}
	if up := parent(to); up != "" && p.find(st, up) == nil {
		if _, err := p.create(ctx, st, up, RoleNone, ids[2:]); err != nil {
			return err
		}
	}
	for _, f := range list {
		d, err := p.folder(ctx, f)
		if err != nil {
			return err
		}
		old := d.row.Name
		d.row.Name = to + old[len(from):]
		d.row.Subscribed = p.subscribed(st, d.row.Name)
		d.user.changed = true
		d.user.names[old] = nil
		d.user.names[d.row.Name] = f
		d.user.news = append(d.user.news, news{f: f, old: old})
		if _, err := p.exec(ctx, sqlRenameFolder, d.row.Name, int64(d.row.ID)); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) subscribed(st *userState, name string) bool {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return st.subscribed[name]
}

// renameInbox makes a folder and gives it INBOX's messages with their UIDs;
// INBOX goes on with its own numbers.
func (p *plan) renameInbox(ctx context.Context, st *userState, to string, ids []int64) error {
	in, err := p.folder(ctx, p.find(st, Inbox))
	if err != nil {
		return err
	}
	if in.changed() {
		return errAgain
	}
	f, err := p.create(ctx, st, to, RoleNone, ids)
	if err != nil {
		return err
	}
	f.recent.Store(in.f.recent.Load())
	out, err := p.folder(ctx, f)
	if err != nil {
		return err
	}
	inbox, fresh := in.row, out.row
	out.row = inbox
	out.row.ID, out.row.Name, out.row.Role, out.row.Validity = fresh.ID, fresh.Name, fresh.Role, fresh.Validity
	out.row.Subscribed = fresh.Subscribed
	out.row.ModSeq++
	out.edit = mapEdit{base: in.edit.done()}
	out.swapped = true
	in.row.key = fresh.key
	in.row.Messages, in.row.Unseen, in.row.Deleted, in.row.Size, in.row.DeletedSize = 0, 0, 0, 0, 0
	in.row.forgotten = in.step()
	in.edit = mapEdit{base: noUIDs}
	in.swapped, in.flagged = true, true
	if _, err := p.exec(ctx, sqlFolderKey, in.row.key, int64(in.row.forgotten), int64(in.row.ID)); err != nil {
		return err
	}
	_, err = p.exec(ctx, sqlFolderKey, out.row.key, int64(out.row.forgotten), int64(out.row.ID))
	return err
}

// Delete removes a folder with its messages. Folders below it stay. ErrInbox,
// ErrNoFolder.
func (u *User) Delete(ctx context.Context, name string) error {
	name, err := CleanName(name)
	if err != nil {
		return ErrNoFolder
	}
	if name == Inbox {
		return ErrInbox
	}
	return u.do(ctx, func(st *userState) (op, error) {
		return freeing{opFunc(func(ctx context.Context, p *plan) error {
			f := p.find(st, name)
			if f == nil {
				return ErrNoFolder
			}
			return p.delete(ctx, f)
		})}, nil
	})
}

// delete takes a folder away. Its rows are purged later, in small steps.
func (p *plan) delete(ctx context.Context, f *folderState) error {
	d, err := p.folder(ctx, f)
	if err != nil {
		return err
	}
	if d.changed() {
		return errAgain
	}
	d.gone = true
	d.user.octets -= d.row.Size
	d.user.messages -= int64(d.row.Messages)
	d.user.changed = true
	d.user.names[d.row.Name] = nil
	d.user.news = append(d.user.news, news{f: f, removed: true})
	st := f.user
	d.user.apply = append(d.user.apply, func() {
		f.gone = true
		for i, g := range st.folders {
			if g == f {
				st.folders = append(st.folders[:i:i], st.folders[i+1:]...)
				break
			}
		}
	})
	if _, err := p.exec(ctx, sqlDeleteFolder, int64(d.row.ID)); err != nil {
		return err
	}
	if _, err := p.exec(ctx, sqlDropAnnotations, st.id, int64(d.row.ID)); err != nil {
		return err
	}
	if _, err := p.exec(ctx, sqlPurge, d.row.key); err != nil {
		return err
	}
	p.lastly = append(p.lastly, p.s.purgeSoon)
	return nil
}

// Subscribe adds a name to those subscribed to, or takes it away (on false).
// There need not be such a folder.
func (u *User) Subscribe(ctx context.Context, name string, on bool) error {
	name, err := CleanName(name)
	if err != nil {
		return err
	}
	return u.do(ctx, func(st *userState) (op, error) {
		return opFunc(func(ctx context.Context, p *plan) error {
			st.mu.RLock()
			is, n := st.subscribed[name], len(st.subscribed)
			st.mu.RUnlock()
			query := sqlUnsubscribe
			if on {
				if query = sqlSubscribe; !is && n >= p.s.options().Folders+maxSubscriptions {
					return ErrLimit
				}
			}
			d := p.user(st)
			d.changed = true
			d.apply = append(d.apply, func() {
				if on {
					st.subscribed[name] = true
				} else {
					delete(st.subscribed, name)
				}
				if f := st.find(name); f != nil {
					f.row.Subscribed = on
				}
			})
			if f := p.find(st, name); f != nil {
				d.news = append(d.news, news{f: f, subscribed: true})
			}
			_, err := p.exec(ctx, query, st.id, name)
			return err
		}), nil
	})
}

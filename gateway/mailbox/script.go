package mailbox

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// Script is a Sieve script.
type Script struct {
	Name    string
	Active  bool
	Size    int64
	Changed time.Time
	// Version is another for every content that any script ever had: what is
	// compiled may be kept by it.
	Version int64
	Data    []byte // not in lists
}

const (
	sqlScripts      = `SELECT name, active, LENGTH(data), changed, version FROM mailbox_scripts WHERE owner = ? ORDER BY name`
	sqlScript       = `SELECT name, active, LENGTH(data), changed, version, data FROM mailbox_scripts WHERE owner = ? AND name = ?`
	sqlActiveScript = `SELECT name, active, LENGTH(data), changed, version, data FROM mailbox_scripts WHERE owner = ? AND active = 1`
	sqlScriptCount  = `SELECT COUNT(*), COALESCE(SUM(CASE WHEN name = ? THEN 1 ELSE 0 END), 0) FROM mailbox_scripts WHERE owner = ?`
	sqlPutScript    = `INSERT INTO mailbox_scripts (owner, name, active, changed, version, data) VALUES (?, ?, 0, ?, ?, ?)
		ON CONFLICT (owner, name) DO UPDATE SET changed = excluded.changed, version = excluded.version, data = excluded.data`
	sqlRenameScript   = `UPDATE mailbox_scripts SET name = ? WHERE owner = ? AND name = ?`
	sqlDeleteScript   = `DELETE FROM mailbox_scripts WHERE owner = ? AND name = ?`
	sqlDropScripts    = `DELETE FROM mailbox_scripts WHERE owner = ?`
	sqlDeactivate     = `UPDATE mailbox_scripts SET active = 0 WHERE owner = ? AND active = 1`
	sqlActivateScript = `UPDATE mailbox_scripts SET active = 1 WHERE owner = ? AND name = ?`
)

// Scripts lists the user's scripts by name, without Data.
func (u *User) Scripts(ctx context.Context) ([]Script, error) {
	rows, err := u.s.deps.DB.Read().Query(ctx, sqlScripts, u.id)
	return sqldb.Collect(rows, err, func(row *sqldb.Rows) (Script, error) { return scanScript(row) })
}

func scanScript(row scanner, more ...any) (x Script, err error) {
	var active, changed int64
	err = row.Scan(append([]any{&x.Name, &active, &x.Size, &changed, &x.Version}, more...)...)
	if errors.Is(err, sqldb.ErrNoRows) {
		err = ErrNoScript
	}
	x.Active, x.Changed = active != 0, time.Unix(changed, 0).UTC()
	return x, err
}

// Script returns one; ErrNoScript.
func (u *User) Script(ctx context.Context, name string) (Script, error) {
	name, err := cleanScript(name)
	if err != nil {
		return Script{}, ErrNoScript
	}
	return readScript(ctx, u.s.deps.DB.Read(), sqlScript, u.id, name)
}

func readScript(ctx context.Context, q sqldb.Querier, query string, args ...any) (Script, error) {
	var data []byte
	x, err := scanScript(q.QueryRow(ctx, query, args...), &data)
	x.Data = data
	return x, err
}

// ActiveScript returns the active one, from memory where it was asked for
// lately; ErrNoScript. Data must not be changed.
func (u *User) ActiveScript(ctx context.Context) (Script, error) {
	st, err := u.s.acquire(ctx, u.id)
	if err != nil {
		return Script{}, err
	}
	defer u.s.release(st)
	st.mu.RLock()
	x, at := st.script, st.scripts
	st.mu.RUnlock()
	if x == nil {
		got, err := readScript(ctx, u.s.deps.DB.Read(), sqlActiveScript, u.id)
		if err != nil && !errors.Is(err, ErrNoScript) {
			return Script{}, err
		}
		x = &got
		st.mu.Lock()
		if st.scripts == at { // nobody has changed scripts meanwhile
			st.script = x
		}
		st.mu.Unlock()
	}
	if !x.Active {
		return Script{}, ErrNoScript
	}
	return *x, nil
}

// changeScripts has the journal run f, after which the active script is not
// known any more.
func (u *User) changeScripts(ctx context.Context, f func(ctx context.Context, p *plan) error) error {
	return u.do(ctx, func(st *userState) (op, error) {
		return opFunc(func(ctx context.Context, p *plan) error {
			if err := f(ctx, p); err != nil {
				return err
			}
			d := p.user(st)
			d.changed = true
			d.apply = append(d.apply, func() {
				st.script = nil
				st.scripts++
			})
			return nil
		}), nil
	})
}

// cleanScript checks a script's name (RFC 5804 section 1.6).
func cleanScript(name string) (string, error) {
	bad := func(r rune) bool {
		return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == utf8.RuneError
	}
	if name == "" || len(name) > MaxScriptName || !utf8.ValidString(name) || strings.ContainsFunc(name, bad) {
		return "", ErrName
	}
	return name, nil
}

// PutScript stores a script, new or instead of the one of that name, which
// stays active if it was. ErrName, ErrLimit (QUOTA/MAXSCRIPTS), ErrTooBig
// (QUOTA/MAXSIZE). That it is a script is the caller's to see.
func (u *User) PutScript(ctx context.Context, name string, data []byte) error {
	name, err := cleanScript(name)
	if err != nil {
		return err
	}
	if len(data) > MaxScript {
		return ErrTooBig
	}
	version, err := u.s.newID(ctx)
	if err != nil {
		return err
	}
	if data == nil {
		data = []byte{}
	}
	return u.changeScripts(ctx, func(ctx context.Context, p *plan) error {
		if err := u.scriptRoom(ctx, p.tx, name); err != nil {
			return p.unless(err, ErrLimit)
		}
		_, err := p.exec(ctx, sqlPutScript, u.id, name, p.now, version, data)
		return err
	})
}

// unless notes an error as a statement's, unless it is a known one.
func (p *plan) unless(err, known error) error {
	if errors.Is(err, known) {
		return err
	}
	return p.fail(err)
}

// scriptRoom tells whether there may be one more.
func (u *User) scriptRoom(ctx context.Context, q sqldb.Querier, name string) error {
	var n, same int
	if err := q.QueryRow(ctx, sqlScriptCount, name, u.id).Scan(&n, &same); err != nil {
		return err
	}
	if same == 0 && n >= MaxScripts {
		return ErrLimit
	}
	return nil
}

// RoomForScript tells what PutScript would say of a script of size octets
// (HAVESPACE).
func (u *User) RoomForScript(ctx context.Context, name string, size int64) error {
	name, err := cleanScript(name)
	if err != nil {
		return err
	}
	if size > MaxScript {
		return ErrTooBig
	}
	return u.scriptRoom(ctx, u.s.deps.DB.Read(), name)
}

// RenameScript renames a script; ErrNoScript, ErrExists, ErrName.
func (u *User) RenameScript(ctx context.Context, from, to string) error {
	from, err := cleanScript(from)
	if err != nil {
		return ErrNoScript
	}
	if to, err = cleanScript(to); err != nil {
		return err
	}
	return u.changeScripts(ctx, func(ctx context.Context, p *plan) error {
		if _, err := readScript(ctx, p.tx, sqlScript, u.id, from); err != nil {
			return p.unless(err, ErrNoScript)
		}
		if from == to {
			return nil
		}
		switch _, err := readScript(ctx, p.tx, sqlScript, u.id, to); {
		case err == nil:
			return ErrExists
		case !errors.Is(err, ErrNoScript):
			return p.fail(err)
		}
		_, err := p.exec(ctx, sqlRenameScript, to, u.id, from)
		return err
	})
}

// DeleteScript removes a script; ErrNoScript, ErrActive.
func (u *User) DeleteScript(ctx context.Context, name string) error {
	name, err := cleanScript(name)
	if err != nil {
		return ErrNoScript
	}
	return u.changeScripts(ctx, func(ctx context.Context, p *plan) error {
		x, err := readScript(ctx, p.tx, sqlScript, u.id, name)
		if err != nil {
			return p.unless(err, ErrNoScript)
		}
		if x.Active {
			return ErrActive
		}
		_, err = p.exec(ctx, sqlDeleteScript, u.id, name)
		return err
	})
}

// ActivateScript makes a script the active one, "": none is; ErrNoScript.
func (u *User) ActivateScript(ctx context.Context, name string) error {
	if name != "" {
		var err error
		if name, err = cleanScript(name); err != nil {
			return ErrNoScript
		}
	}
	return u.changeScripts(ctx, func(ctx context.Context, p *plan) error {
		if name != "" {
			if _, err := readScript(ctx, p.tx, sqlScript, u.id, name); err != nil {
				return p.unless(err, ErrNoScript)
			}
		}
		if _, err := p.exec(ctx, sqlDeactivate, u.id); err != nil || name == "" {
			return err
		}
		_, err := p.exec(ctx, sqlActivateScript, u.id, name)
		return err
	})
}

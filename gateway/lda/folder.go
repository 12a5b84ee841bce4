package lda

import (
	"context"
	"errors"
	"strings"

	"github.com/gapura-mail/gapura/gateway/mailbox"
)

// home is where a copy goes that no script files: Junk if it is marked, else
// the folder that the detail names, else INBOX.
func (j *job) home(ctx context.Context, p *parcel) (store, error) {
	if j.junk() {
		f, err := p.user.WithRole(ctx, mailbox.RoleJunk)
		if errors.Is(err, mailbox.ErrNoFolder) { // the user has removed it
			return store{folder: "Junk", create: true}, nil
		}
		return store{folder: f.Name}, err
	}
	detail := j.l.detail(p.target)
	if detail == "" || j.l.opt.Detail == DetailIgnore {
		return store{folder: mailbox.Inbox}, nil
	}
	return j.l.detailed(ctx, p.user, detail)
}

// junk tells whether the message is marked as junk.
func (j *job) junk() bool {
	if j.l.opt.Junk == "" || j.m.header == nil {
		return false
	}
	name, value := j.l.opt.junk()
	for _, f := range j.m.header.All(name) {
		if strings.EqualFold(strings.TrimSpace(f.Value()), value) {
			return true
		}
	}
	return false
}

// detailed returns the folder that a detail means: of that name, or that name
// in other case, since addresses mostly come in lower case. A detail names a
// folder at the top alone: levels are not an address's to tell.
func (l *LDA) detailed(ctx context.Context, u *mailbox.User, detail string) (store, error) {
	name, err := mailbox.CleanName(detail)
	if err != nil || strings.Contains(name, mailbox.Separator) {
		return store{folder: mailbox.Inbox}, nil
	}
	f, err := u.Folder(ctx, name)
	if err == nil {
		return store{folder: f.Name}, nil
	}
	if !errors.Is(err, mailbox.ErrNoFolder) {
		return store{}, err
	}
	list, err := u.Folders(ctx)
	if err != nil {
		return store{}, err
	}
	for _, f := range list {
		if strings.EqualFold(f.Name, name) {
			return store{folder: f.Name}, nil
		}
	}
	if l.opt.Detail == DetailCreate {
		return store{folder: name, create: true}, nil
	}
	return store{folder: mailbox.Inbox}, nil
}

package mailbox

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// maxEntryName is the longest name of an annotation, in octets.
const maxEntryName = 1024

// Annotation is an entry of METADATA; Value nil: it is removed, or not there.
type Annotation struct {
	Name  string // in lower case, such as /private/comment
	Value []byte
}

const (
	sqlAnnotations     = `SELECT name, value FROM mailbox_annotations WHERE owner = ? AND folder = ? ORDER BY name`
	sqlAnnotate        = `INSERT INTO mailbox_annotations (owner, folder, name, value) VALUES (?, ?, ?, ?) ON CONFLICT (owner, folder, name) DO UPDATE SET value = excluded.value`
	sqlUnannotate      = `DELETE FROM mailbox_annotations WHERE owner = ? AND folder = ? AND name = ?`
	sqlAnnotationCount = `SELECT COUNT(*) FROM mailbox_annotations WHERE owner = ?`
	sqlDropAnnotations = `DELETE FROM mailbox_annotations WHERE owner = ? AND folder = ?`
	sqlDropAnnotated   = `DELETE FROM mailbox_annotations WHERE owner = ?`
)

// Annotations lists those of a folder, "": of the server, by name. ErrNoFolder.
func (u *User) Annotations(ctx context.Context, folder string) (list []Annotation, err error) {
	id := FolderID(0)
	if folder != "" {
		f, err := u.Folder(ctx, folder)
		if err != nil {
			return nil, err
		}
		id = f.ID
	}
	rows, err := u.s.deps.DB.Read().Query(ctx, sqlAnnotations, u.id, int64(id))
	return sqldb.Collect(rows, err, func(row *sqldb.Rows) (a Annotation, err error) {
		err = row.Scan(&a.Name, &a.Value)
		if a.Value == nil {
			a.Value = []byte{}
		}
		return a, err
	})
}

// Annotate changes annotations of a folder, "": of the server; all or none.
// ErrNoFolder, ErrName, ErrLimit (TOOMANY), ErrTooBig (MAXSIZE).
func (u *User) Annotate(ctx context.Context, folder string, list ...Annotation) error {
	name := ""
	if folder != "" {
		var err error
		if name, err = CleanName(folder); err != nil {
			return ErrNoFolder
		}
	}
	var put, drop [][]any
	for _, a := range list {
		switch entry := strings.ToLower(a.Name); {
		case entry == "" || len(entry) > maxEntryName || !utf8.ValidString(entry) || strings.ContainsRune(entry, 0):
			return ErrName
		case len(a.Value) > MaxAnnotation:
			return ErrTooBig
		case a.Value == nil:
			drop = append(drop, []any{u.id, int64(0), entry})
		default:
			put = append(put, []any{u.id, int64(0), entry, a.Value})
		}
	}
	return u.do(ctx, func(st *userState) (op, error) {
		return opFunc(func(ctx context.Context, p *plan) error { return p.annotate(ctx, st, name, put, drop) }), nil
	})
}

func (p *plan) annotate(ctx context.Context, st *userState, name string, put, drop [][]any) error {
	var f *folderState
	if name != "" {
		if f = p.find(st, name); f == nil {
			return ErrNoFolder
		}
		for _, rows := range [][][]any{put, drop} {
			for _, row := range rows {
				row[1] = int64(f.row.ID)
			}
		}
	}
	if len(put) > 0 {
		var n int
		if err := p.tx.QueryRow(ctx, sqlAnnotationCount, st.id).Scan(&n); err != nil {
			return p.fail(err)
		}
		if n+len(put) > MaxAnnotations {
			return ErrLimit
		}
	}
	p.many(ctx, sqlUnannotate, drop)
	p.many(ctx, sqlAnnotate, put)
	d := p.user(st)
	d.changed = true
	d.news = append(d.news, news{f: f, annotated: true})
	return p.failed
}

// Package filtertest is the kit for tests of filters: messages from literals,
// the two calls of a body filter in one, and a check that facts are as
// declared.
package filtertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
)

// Message is a gateway.Message whose bytes are all there. Set Pending for one
// that still arrives.
type Message struct {
	header *message.Header
	body   []byte
	// Parts are what the MIME walk finds.
	List []*gateway.Part
	// Pending, when set, is the body in the place of the literal's.
	Pending func() io.ReadCloser
}

// New makes a message from raw; lines may end in LF alone.
func New(t testing.TB, raw string) *Message {
	t.Helper()
	raw = strings.ReplaceAll(strings.ReplaceAll(raw, "\r\n", "\n"), "\n", "\r\n")
	head, body, ok := strings.Cut(raw, "\r\n\r\n")
	if ok {
		head += "\r\n"
	}
	h, err := message.ParseHeader([]byte(head), message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	return &Message{header: h, body: []byte(body)}
}

// Header implements gateway.Message.
func (m *Message) Header() *message.Header { return m.header }

// Body implements gateway.Message.
func (m *Message) Body() io.ReadCloser {
	if m.Pending != nil {
		return m.Pending()
	}
	return io.NopCloser(bytes.NewReader(m.body))
}

// Parts implements gateway.Message.
func (m *Message) Parts(ctx context.Context) iter.Seq2[*gateway.Part, error] {
	return func(yield func(*gateway.Part, error) bool) {
		for _, p := range m.List {
			if !yield(p, ctx.Err()) {
				return
			}
		}
	}
}

// Content is decoded bytes that are all there.
type Content string

// Open implements gateway.Content.
func (c Content) Open() io.ReadCloser { return io.NopCloser(strings.NewReader(string(c))) }

// ReaderAt implements gateway.Content.
func (c Content) ReaderAt(context.Context) (io.ReaderAt, int64, error) {
	return strings.NewReader(string(c)), int64(len(c)), nil
}

// Transaction is one of a client at ip that said helo.
func Transaction(ip, helo string) *gateway.Transaction {
	s := &gateway.Session{ID: "S", Listener: "smtp", Remote: netip.AddrPortFrom(netip.MustParseAddr(ip), 40000), Helo: helo, Extended: true}
	return &gateway.Transaction{ID: "T", Session: s, Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
}

// Facts makes facts of names and values in turn.
func Facts(pairs ...any) (f gateway.Facts) {
	for i := 0; i < len(pairs); i += 2 {
		f = f.With(gateway.Fact{Name: pairs[i].(string), Value: pairs[i+1]})
	}
	return f
}

// ErrNoReading is what Judge returns when Read gave neither reading nor error.
var ErrNoReading = errors.New("no reading")

// Judge makes both calls of a body filter.
func Judge(ctx context.Context, f gateway.BodyFilter, tx *gateway.Transaction, m gateway.Message) (gateway.Verdict, error) {
	tx.Header = m.Header()
	r, err := f.Read(ctx, tx, m)
	if err != nil {
		return gateway.Verdict{}, err
	}
	if r == nil {
		return gateway.Verdict{}, ErrNoReading
	}
	return r.Conclude(ctx, tx)
}

// Values returns the facts of v by name and fails the test when one is not
// declared, declared twice, undocumented or of another type.
func Values(t testing.TB, f gateway.Filter, v gateway.Verdict) map[string]any {
	t.Helper()
	types := map[string]gateway.FactType{}
	for _, d := range f.Fields() {
		if _, twice := types[d.Name]; twice || d.Doc == "" || d.Stage == 0 || !strings.HasPrefix(d.Name, f.Name()+".") {
			t.Errorf("field %q is declared badly", d.Name)
		}
		if d.Default != nil && reflect.TypeOf(d.Default) != reflect.TypeOf(d.Type.Zero()) {
			t.Errorf("default of %s is a %T", d.Name, d.Default)
		}
		types[d.Name] = d.Type
	}
	out := map[string]any{}
	for _, fact := range v.Facts {
		typ, declared := types[fact.Name]
		if !declared {
			t.Errorf("fact %q is not declared", fact.Name)
		} else if reflect.TypeOf(fact.Value) != reflect.TypeOf(typ.Zero()) {
			t.Errorf("fact %q is a %T, declared as %s", fact.Name, fact.Value, typ)
		}
		out[fact.Name] = fact.Value
	}
	return out
}

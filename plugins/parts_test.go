package plugins

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/body"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/parts"
)

// walked is a message with the gateway's own walk.
type walked struct {
	mail
	w *parts.Walk
}

func (m walked) Parts(ctx context.Context) iter.Seq2[*gateway.Part, error] { return m.w.All(ctx) }

// attached is a message with a file, the greater part of which is not in
// memory, and the file.
func attached(t *testing.T, size int) (m mail, file []byte) {
	t.Helper()
	h, err := message.ParseHeader([]byte("From: a@b.test\r\nSubject: parts\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"), message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	file = make([]byte, size)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(file)
	b := body.New(body.Options{})
	t.Cleanup(b.Release)
	io.WriteString(b, "--b\r\nContent-Type: text/plain\r\n\r\nSee the file.\r\n--b\r\n"+
		"Content-Type: application/octet-stream; name=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	for text := base64.StdEncoding.EncodeToString(file); text != ""; {
		n := min(len(text), 76)
		io.WriteString(b, text[:n]+"\r\n")
		text = text[n:]
	}
	io.WriteString(b, "--b--\r\n")
	return mail{h, b}, file
}

// TestPartsAreTheSameInAPlugin runs one filter on both sides.
func TestPartsAreTheSameInAPlugin(t *testing.T) {
	t.Parallel()
	m, file := attached(t, 3<<20)
	m.b.Close()
	p, _ := start(t, options("any"), soon)
	judge := func(m gateway.Message, f gateway.BodyFilter) gateway.Facts {
		t.Helper()
		r, err := f.Read(t.Context(), transaction("x"), m)
		if err != nil {
			t.Fatal(err)
		}
		v, err := r.Conclude(t.Context(), transaction("x"))
		if err != nil {
			t.Fatal(err)
		}
		return gateway.Facts{}.With(v.Facts...)
	}
	there := judge(m, p.Filter().(gateway.BodyFilter))
	w := parts.New(m.h, body.Options{})
	defer w.Release()
	go w.Run(m.b.Open(), m.b)
	here := judge(walked{m, w}, tester{"any"})
	if !reflect.DeepEqual(there.All(), here.All()) {
		t.Errorf("in the plugin\n%q\nin the gateway\n%q", there.All(), here.All())
	}
	got, _ := there.Get("t.env")
	if want := fmt.Sprintf("2 application/octet-stream a.bin %x", sha256.Sum256(file)); !strings.Contains(fmt.Sprint(got), want) {
		t.Errorf("%s, want %s", got, want)
	}
	if n, _ := there.Get("t.size"); n != int64(len(file)+len("See the file.")) {
		t.Errorf("%d octets in all parts", n)
	}
}

// TestPartsOfAnAbortedMessageFail: half a file is none.
func TestPartsOfAnAbortedMessageFail(t *testing.T) {
	t.Parallel()
	m, _ := attached(t, 1<<20)
	p, _ := start(t, options("any"), soon)
	go m.b.Abort(nil)
	if _, err := p.Filter().(gateway.BodyFilter).Read(t.Context(), transaction("x"), m); err == nil {
		t.Error("Read took half of it for the whole")
	}
	// The plugin is well.
	if _, err := p.Filter().(gateway.BodyFilter).Read(t.Context(), transaction("x"), whole(t, "s", 10)); err != nil {
		t.Error(err)
	}
}

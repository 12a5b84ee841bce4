// Command hello is a plugin for Gapura: it counts the bytes of the body and
// looks for a word in the Subject.
package main

import (
	"context"
	"flag"
	"io"
	"strings"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/plugins/sdk"
)

func main() {
	word := flag.String("word", "hello", "word to look for in the Subject")
	flag.Parse()
	sdk.Serve(filter{strings.ToLower(*word)})
}

type filter struct{ word string }

func (filter) Name() string { return "hello" }

func (filter) Fields() []gateway.Field {
	return []gateway.Field{
		{Name: "hello.word", Type: gateway.Bool, Stage: gateway.StageMessage, Doc: "The word is in the Subject."},
		{Name: "hello.bytes", Type: gateway.Int, Stage: gateway.StageMessage, Doc: "Octets of the body."},
	}
}

// Check has nothing to say before there is a message.
func (filter) Check(context.Context, gateway.Stage, *gateway.Transaction) (gateway.Verdict, error) {
	return gateway.Verdict{}, nil
}

func (f filter) Read(_ context.Context, _ *gateway.Transaction, m gateway.Message) (gateway.Reading, error) {
	subject, _ := m.Header().Get("Subject")
	body := m.Body()
	defer body.Close()
	n, err := io.Copy(io.Discard, body)
	return reading{strings.Contains(strings.ToLower(subject), f.word), n}, err
}

type reading struct {
	word  bool
	bytes int64
}

func (r reading) Conclude(context.Context, *gateway.Transaction) (gateway.Verdict, error) {
	return gateway.Verdict{Facts: []gateway.Fact{
		{Name: "hello.word", Value: r.word},
		{Name: "hello.bytes", Value: r.bytes},
	}}, nil
}

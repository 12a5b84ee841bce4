package main

import (
	"context"
	"strings"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/plugins/sdk"
)

// greeter is a plugin for the scripts.
func greeter() { sdk.Serve(greeting{}) }

type greeting struct{}

func (greeting) Name() string { return "greeter" }

func (greeting) Fields() []gateway.Field {
	return []gateway.Field{
		{Name: "greeter.helo", Type: gateway.String, Stage: gateway.StageHelo, Doc: "What the client said."},
		{Name: "greeter.polite", Type: gateway.Bool, Stage: gateway.StageMessage, Doc: "The Subject greets."},
	}
}

func (greeting) Check(_ context.Context, _ gateway.Stage, tx *gateway.Transaction) (gateway.Verdict, error) {
	return gateway.Verdict{Facts: []gateway.Fact{{Name: "greeter.helo", Value: tx.Session.Helo}}}, nil
}

func (greeting) Read(_ context.Context, _ *gateway.Transaction, m gateway.Message) (gateway.Reading, error) {
	subject, _ := m.Header().Get("Subject")
	return polite(strings.Contains(subject, "Hello")), nil
}

type polite bool

func (p polite) Conclude(context.Context, *gateway.Transaction) (gateway.Verdict, error) {
	return gateway.Verdict{Facts: []gateway.Fact{{Name: "greeter.polite", Value: bool(p)}}}, nil
}

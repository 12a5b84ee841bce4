package policy_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/policy"
)

// defaultFields are the facts that the built-in policy looks at, as the
// filters declare them; cmd/gapura loads it with those of the filters
// themselves.
func defaultFields() []gateway.Field {
	var fields []gateway.Field
	add := func(t gateway.FactType, at gateway.Stage, names ...string) {
		for _, name := range names {
			fields = append(fields, gateway.Field{Name: name, Type: t, Stage: at})
		}
	}
	add(gateway.Float, gateway.StageConnect, "dnsbl.score")
	add(gateway.Bool, gateway.StageConnect, "dnsbl.allowed")
	add(gateway.String, gateway.StageConnect, "dnsbl.reason")
	add(gateway.Bool, gateway.StageMessage, "antivirus.infected", "antivirus.too_large", "attachment.executable", "attachment.bomb",
		"attachment.limit", "attachment.ambiguous", "attachment.encrypted", "attachment.unopened",
		"dmarc.list_mail", "dmarc.forwarder", "arc.trusted")
	add(gateway.Strings, gateway.StageMessage, "attachment.dangerous")
	add(gateway.String, gateway.StageMessage, "antivirus.virus", "antivirus.result", "dmarc.result", "dmarc.policy", "dmarc.disposition", "dmarc.domain", "arc.dmarc", "spam.class")
	return fields
}

func TestDefaultPolicy(t *testing.T) {
	p, err := policy.Load(nil, policy.Env{Fields: defaultFields()})
	if got, want := policy.DefaultRules(), p.Rules(); !slices.Equal(got, want) || len(want) < 10 || want[0] != "block-listed" {
		t.Errorf("the built-in rules are %q, and are said to be %q", want, got)
	}
	if err != nil {
		t.Fatal(err)
	}
	type facts = map[string]any
	const plain = "From: a@example.com\r\nSubject: x\r\n"
	for _, tt := range []struct {
		name   string
		at     gateway.Stage
		header string
		facts  facts
		want   string // beginning of what is told of the disposition; "" : nothing
	}{
		{"clean mail passes", gateway.StageMessage, plain, facts{"dmarc.disposition": "none", "dmarc.domain": "example.com"}, ""},
		{"no facts at all pass", gateway.StageMessage, "", nil, ""},
		{"listed", gateway.StageMail, "", facts{"dnsbl.score": 5.0, "dnsbl.reason": "192.0.2.1 is listed"}, `reject "550 5.7.1 Block-listed: 192.0.2.1 is listed"`},
		{"listed a little", gateway.StageMail, "", facts{"dnsbl.score": 4.9}, ""},
		{"listed and allowed", gateway.StageMail, "", facts{"dnsbl.score": 9.0, "dnsbl.allowed": true}, ""},
		{"one From", gateway.StageHeader, plain, nil, ""},
		{"two From fields", gateway.StageHeader, plain + "from : b@example.net\r\n", nil, `reject "550 5.7.1 The message has more than one From`},
		{"no From is left to others", gateway.StageHeader, "Subject: x\r\n", nil, ""},
		{"a mark that was there", gateway.StageHeader, plain + "x-spam-flag: NO\r\n", nil, "continue remove X-Spam-Flag; remove X-Virus-Status;"},
		{"a mark behind an empty one", gateway.StageHeader, plain + "X-Virus-Status:\r\nX-Virus-Status: Clean\r\n", nil, "continue remove X-Spam-Flag; remove X-Virus-Status;"},
		{"sent by a user", gateway.StageSubmission, plain, nil, ""},
		{"sent by a user and infected", gateway.StageSubmission, plain, facts{"antivirus.infected": true, "antivirus.virus": "Eicar-Signature"}, `reject "550 5.7.1 The message carries Eicar-Signature"`},
		{"sent with two From fields", gateway.StageSubmission, plain + "From: b@example.net\r\n", nil, `reject "550 5.7.1 The message has more than one From`},
		{"a program sent", gateway.StageSubmission, plain, facts{"attachment.executable": true, "attachment.dangerous": []string{"a.exe"}}, `reject "550 5.7.1 Programs are not sent from here, send a link instead: a.exe"`},
		{"sent and not read", gateway.StageSubmission, plain, facts{"message.error": "timeout"}, `defer "451 4.3.0`},
		{"infected", gateway.StageMessage, plain, facts{"antivirus.infected": true, "antivirus.virus": "Eicar-Signature"}, `reject "550 5.7.1 The message carries Eicar-Signature"`},
		{"could not be read", gateway.StageMessage, plain, facts{"message.error": "timeout"}, `defer "451 4.3.0`},
		{"ambiguous", gateway.StageMessage, plain, facts{"message.ambiguous": true}, `reject "550 5.6.0`},
		{"ambiguous archive", gateway.StageMessage, plain, facts{"attachment.ambiguous": true}, `reject "550 5.6.0`},
		{"a small defect", gateway.StageMessage, plain, facts{"message.defects": []string{"no-closing-boundary"}}, ""},
		{"too deep to look into", gateway.StageMessage, plain, facts{"message.defects": []string{"bad-encoding", "depth-limit"}}, `reject "550 5.6.0 The message is malformed: bad-encoding, depth-limit"`},
		{"a bound was met", gateway.StageMessage, plain, facts{"message.limited": true}, `reject "550 5.6.0 The message is malformed`},
		{"program", gateway.StageMessage, plain, facts{"attachment.executable": true, "attachment.dangerous": []string{"a.zip/b.exe"}}, `reject "550 5.7.1 Programs are not taken here: a.zip/b.exe"`},
		{"archive bomb", gateway.StageMessage, plain, facts{"attachment.bomb": true}, `reject "550 5.7.1 An attached archive`},
		{"scanner down", gateway.StageMessage, plain, facts{"antivirus.error": "timeout"}, "continue add X-Virus-Status: Not Scanned;"},
		{"too large to scan", gateway.StageMessage, plain, facts{"antivirus.too_large": true}, "continue add X-Virus-Status: Not Scanned;"},
		{"archives not looked at", gateway.StageMessage, plain, facts{"attachment.error": "timeout"}, "continue add X-Virus-Status: Not Scanned;"},
		{"archives above bounds", gateway.StageMessage, plain, facts{"attachment.limit": true, "antivirus.result": "clean"}, "continue add X-Virus-Status: Not Scanned;"},
		{"encrypted", gateway.StageMessage, plain, facts{"attachment.encrypted": true, "antivirus.result": "clean"}, "continue add X-Virus-Status: Not Scanned;"},
		{"an archive nobody opened", gateway.StageMessage, plain, facts{"attachment.unopened": true}, "continue add X-Virus-Status: Not Scanned;"},
		{"an archive clamd opened", gateway.StageMessage, plain, facts{"attachment.unopened": true, "antivirus.result": "clean"}, ""},
		{"DMARC reject", gateway.StageMessage, plain, facts{"dmarc.disposition": "reject", "dmarc.domain": "example.com"}, `reject "550 5.7.1 DMARC: example.com asks receivers to reject this" `},
		{"DMARC quarantine", gateway.StageMessage, plain, facts{"dmarc.disposition": "quarantine"}, "continue add X-Spam-Flag: YES;"},
		{"DMARC of list mail", gateway.StageMessage, plain, facts{"dmarc.disposition": "reject", "dmarc.list_mail": true}, "continue add X-Spam-Flag: YES;"},
		{"DMARC and a forwarder", gateway.StageMessage, plain, facts{"dmarc.disposition": "reject", "dmarc.forwarder": true}, ""},
		{"DMARC and a trusted chain", gateway.StageMessage, plain, facts{"dmarc.disposition": "reject", "arc.trusted": true, "arc.dmarc": "pass"}, ""},
		{"DMARC and a trusted chain without DMARC", gateway.StageMessage, plain, facts{"dmarc.disposition": "quarantine", "arc.trusted": true}, ""},
		{"DMARC that failed before the chain", gateway.StageMessage, plain, facts{"dmarc.disposition": "reject", "dmarc.domain": "a.b", "arc.trusted": true, "arc.dmarc": "fail"}, `reject "550 5.7.1 DMARC: a.b`},
		{"spam", gateway.StageMessage, plain, facts{"spam.class": "spam"}, "continue add X-Spam-Flag: YES;"},
		{"perhaps spam", gateway.StageMessage, plain, facts{"spam.class": "unsure"}, ""},
		{"spam that fails DMARC is marked once", gateway.StageMessage, plain, facts{"spam.class": "spam", "dmarc.disposition": "quarantine"}, `continue add X-Spam-Flag: YES; ["`},
		{"forged spam is refused", gateway.StageMessage, plain, facts{"spam.class": "spam", "dmarc.disposition": "reject"}, `reject "550 5.7.1 DMARC`},
		{"spam sent by a user is his", gateway.StageSubmission, plain, facts{"spam.class": "spam"}, ""},
		{"too many authors", gateway.StageMessage, plain, facts{"dmarc.result": "permerror"}, `reject "550 5.7.1 DMARC: From has`},
		{"DMARC cannot be told", gateway.StageMessage, plain, facts{"dmarc.result": "temperror", "dmarc.policy": "reject", "dmarc.domain": "a.b"}, `defer "451 4.7.1 DMARC: the DNS of a.b does not`},
		{"DMARC cannot be told, nothing asked for", gateway.StageMessage, plain, facts{"dmarc.result": "temperror", "dmarc.policy": "none"}, ""},
		{"DMARC cannot be told, trusted chain", gateway.StageMessage, plain, facts{"dmarc.result": "temperror", "dmarc.policy": "reject", "arc.trusted": true}, ""},
		{"infected goes before DMARC", gateway.StageMessage, plain, facts{"dmarc.disposition": "reject", "antivirus.infected": true}, `reject "550 5.7.1 The message carries `},
	} {
		tx := &gateway.Transaction{Rcpts: []gateway.Recipient{{To: smtp.ForwardPath{Address: smtp.Address{Local: "a", Domain: "b.c"}}}}}
		for name, v := range tt.facts {
			tx.Facts = tx.Facts.With(gateway.Fact{Name: name, Value: v})
		}
		if tt.header != "" {
			h, err := message.ParseHeader([]byte(tt.header), message.HeaderLimits{})
			if err != nil {
				t.Fatal(err)
			}
			tx.Header = h
		}
		v, err := p.Check(context.Background(), tt.at, tx)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(v.Dispositions) > 0 {
			got = told(v.Dispositions[0])
		}
		if !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// The built-in policy says what it is for in words: a comment before each rule
// that decides.
func TestDefaultPolicyIsExplained(t *testing.T) {
	blocks := strings.Split(string(policy.Default().Data), "\n\n")
	for _, b := range blocks {
		if strings.Contains(b, "then:") && !strings.Contains(b, "#") && !strings.Contains(b, "name: infected") {
			t.Errorf("no reason is given:\n%s", b)
		}
	}
}

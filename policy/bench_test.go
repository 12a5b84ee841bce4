package policy_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/policy"
)

// tenRules is a policy of the usual size in which no rule decides.
const tenRules = `
rules:
  - {name: r1, at: message, if: antivirus.infected, then: reject}
  - {name: r2, at: message, if: 'dmarc.result == "fail" && !dmarc.list_mail', then: reject}
  - {name: r3, at: message, if: 'dmarc.result == "fail" && dmarc.list_mail', add: {X-Spam-Flag: "YES"}}
  - {name: r4, at: message, if: 'spam.score >= 15', then: reject}
  - {name: r5, at: message, if: 'spam.score >= 5', add: {X-Spam-Flag: "YES"}}
  - {name: r6, at: message, if: 'dnsbl.score > 3 && spf.result == "fail"', then: defer}
  - {name: r7, at: message, if: 'domain_in(mail.from_domain, ["example.com", "example.net"])', then: accept}
  - {name: r8, at: message, if: 'ip_in(client.ip, "10.0.0.0/8")', then: accept}
  - {name: r9, at: message, if: 'header("Subject").contains("viagra")', tag: "[junk]"}
  - {name: r10, at: message, if: 'message.size > 50000000', then: reject}
`

// benchTransaction has as many facts as a message usually gets.
func benchTransaction(b *testing.B, rcpts int) *gateway.Transaction {
	h, err := message.ParseHeader([]byte("From: a@b.example\r\nTo: c@example.org\r\nSubject: An invoice\r\nDate: x\r\n"), message.HeaderLimits{})
	if err != nil {
		b.Fatal(err)
	}
	var facts []gateway.Fact
	for i := range 40 {
		facts = append(facts, gateway.Fact{Name: fmt.Sprintf("filter%d.result", i), Value: "x"})
	}
	facts = append(facts,
		gateway.Fact{Name: "spf.result", Value: "pass"}, gateway.Fact{Name: "dnsbl.score", Value: 0.0},
		gateway.Fact{Name: "dmarc.result", Value: "pass"}, gateway.Fact{Name: "dmarc.list_mail", Value: false},
		gateway.Fact{Name: "antivirus.infected", Value: false}, gateway.Fact{Name: "spam.score", Value: 1.5},
	)
	tx := &gateway.Transaction{
		Session: &gateway.Session{Remote: netip.MustParseAddrPort("192.0.2.1:25")},
		From:    smtp.ReversePath{Address: smtp.Address{Local: "a", Domain: "b.example"}},
		Header:  h, Size: 4096, Facts: gateway.Facts{}.With(facts...),
	}
	for i := range rcpts {
		tx.Rcpts = append(tx.Rcpts, gateway.Recipient{To: smtp.ForwardPath{Address: smtp.Address{Local: fmt.Sprint(i), Domain: "example.org"}}})
	}
	return tx
}

func BenchmarkCheck(b *testing.B) {
	loop := `  - {name: loop, at: message, if: 'headers("To").exists(t, t.contains("x"))', tag: x}` + "\n"
	each := `  - {name: each, at: message, if: 'rcpt.local == "nobody"', then: reject}` + "\n"
	for _, c := range []struct {
		name, text string
		rcpts      int
	}{{"10rules", tenRules, 1}, {"loop", tenRules + loop, 1}, {"each10", tenRules + each, 10}} {
		b.Run(c.name, func(b *testing.B) {
			p := parse(b, c.text)
			tx := benchTransaction(b, c.rcpts)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Check(context.Background(), gateway.StageMessage, tx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("default", func(b *testing.B) {
		p, err := policy.Load(nil, policy.Env{Fields: defaultFields()})
		if err != nil {
			b.Fatal(err)
		}
		tx := benchTransaction(b, 1)
		b.ReportAllocs()
		for b.Loop() {
			for _, stage := range gateway.Stages {
				if _, err := p.Check(context.Background(), stage, tx); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		parse(b, tenRules)
	}
}

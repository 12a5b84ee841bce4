package smtpd_test

import (
	"bufio"
	"crypto/tls"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/gapura-mail/gapura/gateway/smtpd"
	"github.com/gapura-mail/gapura/gateway/smtpd/smtpdtest"
)

// TestGoSMTPSubmits: a client nobody here wrote logs in and sends.
func TestGoSMTPSubmits(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]sasl.Client{
		"PLAIN": sasl.NewPlainClient("", "user@example.test", "secret"),
		"LOGIN": sasl.NewLoginClient("user@example.test", "secret"),
	} {
		h := &smtpdtest.Handler{}
		addr, _ := serve(t, smtpd.Options{Protocol: "submissions", TLS: testTLS(), ImplicitTLS: true, Auth: true, RequireAuth: true}, h)
		c, err := gosmtp.DialTLS(addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Auth(client); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := c.SendMail("user@example.test", []string{"b@example.org"}, strings.NewReader("Subject: x\r\n\r\nHello\r\n")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		c.Quit()
		if m := h.Messages(); len(m) != 1 || m[0].Info.User != "user@example.test" {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// TestAuthWaitsNotForEver: each response has its time.
func TestAuthWaitsNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &smtpdtest.Handler{}
		s := newServer(t, smtpd.Options{TLS: testTLS(), ImplicitTLS: true, Auth: true, Limits: smtpd.Limits{IdleTimeout: time.Minute}}, h)
		c := dial(t, s)
		inside := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
		c.Conn, c.r = inside, bufio.NewReader(inside)
		c.expect("220")
		c.send("EHLO x\r\n")
		c.expect("250")
		c.send("AUTH PLAIN\r\n")
		c.expect("334")
		began := time.Now()
		c.expect("421")
		if d := time.Since(began); d < time.Minute || d > 2*time.Minute {
			t.Errorf("it took %v", d)
		}
		c.Close()
		<-c.done
	})
}

package smtpd_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"log/slog"
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

// TestDebugLogHasNoSecrets, and does not stand in the way of who logs in.
func TestDebugLogHasNoSecrets(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	opt := smtpd.Options{TLS: testTLS(), ImplicitTLS: true, Auth: true, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	c := dial(t, newServer(t, opt, &smtpdtest.Handler{}))
	inside := tls.Client(c.Conn, &tls.Config{InsecureSkipVerify: true})
	c.Conn, c.r = inside, bufio.NewReader(inside)
	c.expect("220")
	c.send("EHLO x\r\n")
	c.expect("250")
	// A client that writes on although the exchange never began.
	c.send("AUTH CRAM-LOGIN\r\n")
	c.expect("504")
	c.send("hunterSecret\r\n")
	c.expect("500")
	c.send("hunter Secret two\r\n")
	c.expect("500")
	plain := base64.StdEncoding.EncodeToString([]byte("\x00user@example.test\x00secret"))
	c.send("AUTH PLAIN " + plain + "\r\n")
	c.expect("235")
	c.send("QUIT\r\n")
	c.expect("221")
	c.Close()
	<-c.done
	for _, secret := range []string{"hunter", "HUNTER", "Secret", "SECRET", plain} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%s in the log:\n%s", secret, log.String())
		}
	}
	if !strings.Contains(log.String(), "verb=EHLO argument=x") {
		t.Errorf("%s", log.String())
	}
}

package imapd_test

import (
	"testing"

	"github.com/gapura-mail/gapura/gateway/imapd"
	"github.com/gapura-mail/gapura/gateway/mailbox"
)

func TestLoginBeginsASession(t *testing.T) {
	t.Parallel()
	store := openStore(t, mailbox.Options{})
	s := newServer(t, imapd.Options{}, store)
	c := login(t, s, "bob@example.test")
	c.fails("LOGIN bob@example.test secret", "BAD You are logged in already")
}

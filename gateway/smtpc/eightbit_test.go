package smtpc

import (
	"testing"

	"github.com/gapura-mail/gapura/gateway/smtp"
)

func TestSevenBitDataIsSentWhateverWasDeclared(t *testing.T) {
	t.Parallel()
	msg := text("a\r\n")
	msg.EightBit = true
	script := hello + "S 250 fake\nC MAIL FROM:<a@x.test>\nS 250 ok\nC RCPT TO:<b@y.test>\nS 250 ok\nC DATA\nS 354 go\nC a\nC .\nS 250 ok\nE"
	env := envelope("b")
	env.Params.Body = smtp.Body8BitMIME
	err := dialogue(t, Options{}, script, func(c *Client) {
		if res, err := c.Send(t.Context(), env, msg); err != nil || codes(res) != "done 250" {
			t.Error(codes(res), err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// TestEightBitDataThatWasNotDeclared is declared where that can be, and else goes
// as it came.
func TestEightBitDataThatWasNotDeclared(t *testing.T) {
	t.Parallel()
	for offer, body := range map[string]string{"8BITMIME": " BODY=8BITMIME", "X": ""} {
		msg := text("\xfc\r\n")
		msg.EightBit = true
		script := hello + "S 250-fake\nS 250 " + offer + "\nC MAIL FROM:<a@x.test>" + body + "\nS 250 ok\nC RCPT TO:<b@y.test>\nS 250 ok\nC DATA\nS 354 go\nC \xfc\nC .\nS 250 ok\nE"
		err := dialogue(t, Options{}, script, func(c *Client) {
			if res, err := c.Send(t.Context(), envelope("b"), msg); err != nil || codes(res) != "done 250" {
				t.Error(codes(res), err)
			}
		})
		if err != nil {
			t.Error(offer, err)
		}
	}
}

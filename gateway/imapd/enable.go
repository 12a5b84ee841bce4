package imapd

import (
	"context"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// features are what a client has enabled, as bits.
type features uint8

const (
	featureRev2      features = 1 << iota // IMAP4rev2 (RFC 9051 section 6.3.1)
	featureUTF8                           // UTF8=ACCEPT (RFC 6855)
	featureCondStore                      // RFC 7162
	featureQResync                        // RFC 7162; with featureCondStore
)

// enable is ENABLE (RFC 9051 section 6.3.1, RFC 5161).
func (c *conn) enable(_ context.Context, _ *imap.Command, d *imap.Decoder) (reply, error) {
	var words []string
	if !d.Words(&words) {
		return reply{}, d.Err()
	}
	c.write("* ENABLED")
	for _, w := range words {
		if f := featureOf(w); f != 0 && c.set.on(w) && c.set.on(needs[w]) && c.enabled&f != f {
			c.enabled |= f
			c.write(" ", w)
		}
	}
	c.write("\r\n")
	c.w.UTF8 = c.enabled&(featureRev2|featureUTF8) != 0
	return done("Enabled"), nil
}

func featureOf(word string) features {
	switch word {
	case "IMAP4REV2":
		return featureRev2
	case "UTF8=ACCEPT":
		return featureUTF8
	case "CONDSTORE":
		return featureCondStore
	case "QRESYNC": // RFC 7162 section 3.2.3: it enables CONDSTORE too
		return featureQResync | featureCondStore
	}
	return 0
}

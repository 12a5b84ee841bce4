package autoconf

import (
	"crypto/sha256"
	"fmt"
	"strconv"
)

// Apple returns a configuration profile (.mobileconfig) for an address; it
// asks for the password when it is installed. Without IMAP, POP3 or submission
// there is nothing to configure, and it returns nil.
func Apple(s Settings, address, name string) []byte {
	in, kind := s.incoming(), map[string]string{IMAP: "EmailTypeIMAP", POP3: "EmailTypePOP"}
	out, ok := s.first(SMTP)
	if len(in) == 0 || !ok {
		return nil
	}
	if name == "" {
		name = address
	}
	d := &doc{}
	d.line(prolog)
	d.line(`<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">`)
	d.open(`plist version="1.0"`)
	d.open("dict")
	d.text("key", "PayloadContent")
	d.open("array")
	d.open("dict")
	d.pair("EmailAccountDescription", address)
	d.pair("EmailAccountName", name)
	d.pair("EmailAccountType", kind[in[0].Protocol])
	d.pair("EmailAddress", address)
	d.apple("IncomingMailServer", in[0], address)
	d.apple("OutgoingMailServer", out, address)
	d.yes("OutgoingPasswordSameAsIncomingPassword", true)
	d.payload("com.apple.mail.managed", s.Domain+".mail", address, uuid("mail", address))
	d.shut("dict")
	d.shut("array")
	d.pair("PayloadOrganization", s.Domain)
	d.yes("PayloadRemovalDisallowed", false)
	d.payload("Configuration", s.Domain+".profile", "Mail of "+address, uuid("profile", address))
	d.shut("dict")
	d.shut("plist")
	return d.bytes()
}

func (d *doc) pair(key, value string) {
	d.text("key", key)
	d.text("string", value)
}

func (d *doc) yes(key string, is bool) {
	d.text("key", key)
	d.line("<" + strconv.FormatBool(is) + "/>")
}

func (d *doc) apple(prefix string, x Server, address string) {
	d.pair(prefix+"Authentication", "EmailAuthPassword")
	d.pair(prefix+"HostName", x.Host)
	d.text("key", prefix+"PortNumber")
	d.text("integer", port(x.Port))
	d.yes(prefix+"UseSSL", true) // by STARTTLS where the port is another than that of TLS
	d.pair(prefix+"Username", address)
}

func (d *doc) payload(kind, id, name, uuid string) {
	d.pair("PayloadDisplayName", name)
	d.pair("PayloadIdentifier", id)
	d.pair("PayloadType", kind)
	d.pair("PayloadUUID", uuid)
	d.text("key", "PayloadVersion")
	d.text("integer", "1")
}

// uuid is the same for an address always, so that a profile replaces itself
// (RFC 9562 section 5.8).
func uuid(what, address string) string {
	h := sha256.Sum256([]byte("gapura\x00" + what + "\x00" + address))
	h[6], h[8] = h[6]&0x0f|0x80, h[8]&0x3f|0x80
	return fmt.Sprintf("%X-%X-%X-%X-%X", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

package autoconf

// Thunderbird returns config-v1.1.xml: where it is looked for is described at
// https://www.bucksch.org/1/projects/thunderbird/autoconfiguration/. The
// program puts in the address.
func Thunderbird(s Settings) []byte {
	d := &doc{}
	d.line(prolog)
	d.open(`clientConfig version="1.1"`)
	d.open(`emailProvider id="` + escape(s.Domain) + `"`)
	d.text("domain", s.Domain)
	d.text("displayName", s.Domain)
	d.text("displayShortName", s.Domain)
	for _, x := range s.incoming() {
		d.server("incomingServer", x)
	}
	for _, x := range s.of(SMTP) {
		d.server("outgoingServer", x)
	}
	d.shut("emailProvider")
	d.shut("clientConfig")
	return d.bytes()
}

func (d *doc) server(name string, x Server) {
	d.open(name + ` type="` + x.Protocol + `"`)
	d.text("hostname", x.Host)
	d.text("port", port(x.Port))
	d.text("socketType", map[bool]string{true: "SSL", false: "STARTTLS"}[x.TLS])
	d.text("authentication", "password-cleartext") // inside TLS
	d.text("username", "%EMAILADDRESS%")
	d.shut(name)
}

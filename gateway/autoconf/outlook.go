package autoconf

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// MaxRequest bounds what Outlook posts, in octets.
const MaxRequest = 16 << 10

const (
	outlookSchema  = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
	responseSchema = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
)

// ErrRequest says that a request is none that is known here.
var ErrRequest = errors.New("autoconf: no Autodiscover request for Outlook's settings")

// ParseOutlook returns the address that an Autodiscover request (MS-OXDSCLI)
// asks about; ErrRequest.
func ParseOutlook(body []byte) (address string, err error) {
	if len(body) > MaxRequest {
		return "", ErrRequest
	}
	var r struct {
		XMLName xml.Name `xml:"Autodiscover"`
		Address string   `xml:"Request>EMailAddress"`
		Schema  string   `xml:"Request>AcceptableResponseSchema"`
	}
	dec := xml.NewDecoder(bytes.NewReader(body))
	dec.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	if err := dec.Decode(&r); err != nil {
		return "", ErrRequest
	}
	if s := strings.TrimSpace(r.Schema); s != "" && s != outlookSchema {
		return "", ErrRequest
	}
	return strings.TrimSpace(r.Address), nil
}

// Outlook returns the settings for an address.
func Outlook(s Settings, address string) []byte {
	d := &doc{}
	d.line(prolog)
	d.open(`Autodiscover xmlns="` + responseSchema + `"`)
	d.open(`Response xmlns="` + outlookSchema + `"`)
	d.open("Account")
	d.text("AccountType", "email")
	d.text("Action", "settings")
	for _, p := range []string{IMAP, POP3, SMTP} {
		if x, ok := s.first(p); ok {
			d.outlook(x, address)
		}
	}
	d.shut("Account")
	d.shut("Response")
	d.shut("Autodiscover")
	return d.bytes()
}

func (d *doc) outlook(x Server, address string) {
	d.open("Protocol")
	d.text("Type", strings.ToUpper(x.Protocol))
	d.text("Server", x.Host)
	d.text("Port", port(x.Port))
	d.text("DomainRequired", "off")
	d.text("LoginName", address)
	d.text("SPA", "off")
	d.text("SSL", map[bool]string{true: "on", false: "off"}[x.TLS])
	d.text("Encryption", map[bool]string{true: "SSL", false: "TLS"}[x.TLS])
	d.text("AuthRequired", "on")
	if x.Protocol == SMTP {
		d.text("UsePOPAuth", "off")
		d.text("SMTPLast", "off")
	}
	d.shut("Protocol")
}

// OutlookError returns the answer to a request that cannot be answered.
func OutlookError(message string) []byte {
	d := &doc{}
	d.line(prolog)
	d.open(`Autodiscover xmlns="` + responseSchema + `"`)
	d.open("Response")
	d.open(`Error Time="00:00:00" Id="0"`)
	d.text("ErrorCode", "600")
	d.text("Message", message)
	d.shut("Error")
	d.shut("Response")
	d.shut("Autodiscover")
	return d.bytes()
}

// OutlookJSON returns the answer to the second version of Autodiscover, which
// leads to the first.
func OutlookJSON(url string) []byte {
	b, _ := json.Marshal(map[string]string{"Protocol": "AutodiscoverV1", "Url": url}) // of texts, no error
	return append(b, '\n')
}

package autoconf

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func sample() Settings {
	return Settings{Domain: "example.org", Servers: []Server{
		{SMTP, "mx.example.org", 587, false},
		{POP3, "mx.example.org", 995, true},
		{IMAP, "mx.example.org", 143, false},
		{IMAP, "mx.example.org", 993, true},
		{SMTP, "mx.example.org", 465, true},
	}}
}

// wellFormed reads the whole of a document.
func wellFormed(t *testing.T, b []byte) {
	t.Helper()
	dec := xml.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := dec.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
	}
}

func TestThunderbirdTakesTLSFirst(t *testing.T) {
	b := Thunderbird(sample())
	wellFormed(t, b)
	var c struct {
		Domain string `xml:"emailProvider>domain"`
		In     []struct {
			Type   string `xml:"type,attr"`
			Host   string `xml:"hostname"`
			Port   int    `xml:"port"`
			Socket string `xml:"socketType"`
			User   string `xml:"username"`
		} `xml:"emailProvider>incomingServer"`
		Out []struct {
			Port   int    `xml:"port"`
			Socket string `xml:"socketType"`
		} `xml:"emailProvider>outgoingServer"`
	}
	if err := xml.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	if c.Domain != "example.org" || len(c.In) != 3 || len(c.Out) != 2 {
		t.Fatalf("%+v", c)
	}
	if x := c.In[0]; x.Type != "imap" || x.Port != 993 || x.Socket != "SSL" || x.User != "%EMAILADDRESS%" || x.Host != "mx.example.org" {
		t.Errorf("%+v", x)
	}
	if x := c.In[1]; x.Port != 143 || x.Socket != "STARTTLS" {
		t.Errorf("%+v", x)
	}
	if c.In[2].Type != "pop3" || c.Out[0].Port != 465 {
		t.Errorf("%+v", c)
	}
}

func TestOutlookAsksAndIsTold(t *testing.T) {
	ask := `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006">
<Request><EMailAddress>ana@example.org</EMailAddress><AcceptableResponseSchema>` + outlookSchema + `</AcceptableResponseSchema></Request></Autodiscover>`
	a, err := ParseOutlook([]byte(ask))
	if a != "ana@example.org" || err != nil {
		t.Fatal(a, err)
	}
	for _, bad := range []string{"", "{}", "<a>", strings.ReplaceAll(ask, "2006a", "mobilesync"), strings.Repeat(" ", MaxRequest) + ask} {
		if _, err := ParseOutlook([]byte(bad)); !errors.Is(err, ErrRequest) {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
	b := Outlook(sample(), a)
	wellFormed(t, b)
	for _, want := range []string{"<Type>IMAP</Type>", "<Port>993</Port>", "<Type>POP3</Type>", "<Type>SMTP</Type>", "<Port>465</Port>", "<LoginName>ana@example.org</LoginName>"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in\n%s", want, b)
		}
	}
	wellFormed(t, OutlookError("<no>"))
	var v struct{ Protocol, Url string }
	if err := json.Unmarshal(OutlookJSON(`https://x/?a="b"`), &v); err != nil || v.Protocol != "AutodiscoverV1" || v.Url != `https://x/?a="b"` {
		t.Error(v, err)
	}
}

func TestAppleProfileIsTheSameAlways(t *testing.T) {
	b := Apple(sample(), "ana@example.org", "Ana <&>")
	wellFormed(t, b)
	if !bytes.Equal(b, Apple(sample(), "ana@example.org", "Ana <&>")) || bytes.Equal(b, Apple(sample(), "bob@example.org", "Ana <&>")) {
		t.Error("profiles cannot be told apart, or change")
	}
	for _, want := range []string{"EmailTypeIMAP", "<integer>993</integer>", "<integer>465</integer>", "Ana &lt;&amp;&gt;"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("no %s in\n%s", want, b)
		}
	}
	if Apple(Settings{Domain: "x.test"}, "a@x.test", "") != nil {
		t.Error("a profile without servers")
	}
}

// TestNothingBreaksOut: an address is put into documents as text alone.
func TestNothingBreaksOut(t *testing.T) {
	evil := `a"><x y='` + "\x00\n]]>&"
	for _, b := range [][]byte{Outlook(sample(), evil), Apple(sample(), evil, evil), Thunderbird(Settings{Domain: evil, Servers: sample().Servers})} {
		wellFormed(t, b)
		if bytes.Contains(b, []byte("<x ")) {
			t.Errorf("%s", b)
		}
	}
}

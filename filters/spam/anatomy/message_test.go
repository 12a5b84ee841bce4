package anatomy

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	qrcode "github.com/skip2/go-qrcode"
)

func parse(t *testing.T, raw string) *Message {
	t.Helper()
	var m Message
	if err := m.Parse([]byte(strings.ReplaceAll(raw, "\n", "\r\n"))); err != nil {
		t.Fatal(err)
	}
	return &m
}

const alternative = `From: =?UTF-8?Q?J=C3=BCrgen?= <J@Example.COM>
Reply-To: other@else.example
To: undisclosed-recipients:;
Subject: =?UTF-8?Q?Caf=C3=A9?=
In-Reply-To: <1@a.example>
List-Unsubscribe: <https://a.example/u>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain

what no reader of HTML sees
--b
Content-Type: text/html

<p>Visible <a href="https://www.shop.example/x">shop</a></p><div style="display:none">secret</div>
--b--
`

func TestAMessageIsTakenApart(t *testing.T) {
	t.Parallel()
	m := parse(t, alternative)
	h := &m.Header
	if h.Subject != "Café" || len(h.From) != 1 || h.From[0] != (Address{"Jürgen", "J", "example.com"}) || h.ReplyTo[0].Domain != "else.example" {
		t.Errorf("%+v", h)
	}
	if !h.UndisclosedTo || !h.Reply || !h.Unsubscribe || h.List || h.MessageID != "" {
		t.Errorf("%+v", h)
	}
	if s := string(m.Text); !strings.Contains(s, "visible shop") || strings.Contains(s, "secret") || strings.Contains(s, "reader") {
		t.Errorf("text %q", s)
	}
	if s := string(m.Hidden); !strings.Contains(s, "secret") {
		t.Errorf("hidden %q", s)
	}
	if s := string(m.Hidden) + string(m.Quoted); strings.Contains(s, "no reader") {
		t.Errorf("what is beside the HTML: %q", s)
	}
	if len(m.Links) != 1 || m.Links[0].URL.Host != "www.shop.example" || m.Links[0].Text != "shop" {
		t.Errorf("%+v", m.Links)
	}
	if len(m.Parts) != 2 || m.Parts[1].Type != "text/html" || m.Depth != 1 {
		t.Errorf("%+v", m.Parts)
	}
}

func TestPlainTextBesideNothingVisibleIsShown(t *testing.T) {
	t.Parallel()
	m := parse(t, strings.Replace(alternative, "Visible <a href=\"https://www.shop.example/x\">shop</a>", "", 1))
	if s := string(m.Text); !strings.Contains(s, "what no reader of html sees") {
		t.Errorf("%q", s)
	}
}

// Where the HTML is a picture above hidden text, the text beside it is as hidden.
func TestPlainTextBesideAPictureAboveHiddenTextIsNotShown(t *testing.T) {
	t.Parallel()
	for html, want := range map[string]bool{
		`<a href="https://www.shop.example/x"><img src="https://www.shop.example/i.png"></a>`: false,
		`<img src="https://www.shop.example/i.png" width=1 height=1>`:                         true,
		`<div style="display:none"><img src="https://www.shop.example/i.png"></div>`:          true,
	} {
		m := parse(t, strings.Replace(alternative, "Visible <a href=\"https://www.shop.example/x\">shop</a>", html, 1))
		if s := string(m.Text); strings.Contains(s, "what no reader of html sees") != want {
			t.Errorf("%s: %q", html, s)
		}
	}
}

func TestPlainTextBeforeHTMLOfAnotherMultipartIsShown(t *testing.T) {
	t.Parallel()
	m := parse(t, `From: a@b.example
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=m

--m
Content-Type: text/plain

first words
--m
Content-Type: multipart/related; boundary=r

--r
Content-Type: text/html

<p>second words</p>
--r--
--m--
`)
	if s := string(m.Text); !strings.Contains(s, "first words") || !strings.Contains(s, "second words") {
		t.Errorf("%q", s)
	}
}

// TestAMessageIsUsedAgain: nothing of the one before is left.
func TestAMessageIsUsedAgain(t *testing.T) {
	t.Parallel()
	m := parse(t, alternative)
	if err := m.Parse([]byte("From: x@y.example\r\n\r\nplain\r\n")); err != nil {
		t.Fatal(err)
	}
	fresh := parse(t, "From: x@y.example\n\nplain\n")
	if m.Header.Subject != "" || m.Header.Reply || len(m.Header.ReplyTo) != 0 || len(m.Links) != 0 || len(m.Hidden) != 0 || m.Depth != 0 || string(m.Text) != string(fresh.Text) || len(m.Parts) != 1 {
		t.Errorf("%+v", m)
	}
}

func TestTextIsBounded(t *testing.T) {
	t.Parallel()
	m := parse(t, "From: a@b.example\nContent-Type: text/html\n\n"+strings.Repeat("<p>word</p>", 100_000))
	if len(m.Text) > MaxText || m.Parts[0].Size < 1_000_000 {
		t.Errorf("%d octets of text of %d", len(m.Text), m.Parts[0].Size)
	}
}

// TestAQRCodeIsALink: what the picture says leads somewhere.
func TestAQRCodeIsALink(t *testing.T) {
	t.Parallel()
	code, err := qrcode.Encode("https://login.lure.example/x", qrcode.Medium, 200)
	if err != nil {
		t.Fatal(err)
	}
	m := parse(t, "From: a@b.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n"+
		base64.StdEncoding.EncodeToString(code)+"\n--b--\n")
	if len(m.Links) != 1 || !m.Links[0].QR || m.Links[0].URL.Host != "login.lure.example" {
		t.Errorf("%+v %q", m.Links, m.Codes)
	}
}

// TestAQRCodeOfLettersIsALink: what is drawn with blocks, in plain text or HTML.
func TestAQRCodeOfLettersIsALink(t *testing.T) {
	t.Parallel()
	code, err := qrcode.New("https://login.lure.example/x", qrcode.Low)
	if err != nil {
		t.Fatal(err)
	}
	for kind, format := range map[string]string{"plain": "Scan this:\n\n%s\n\nThank you.\n", "html": "<p>Scan this:<pre>\n%s\n</pre>"} {
		m := parse(t, "From: a@b.example\nMIME-Version: 1.0\nContent-Type: text/"+kind+"; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"+fmt.Sprintf(format, code.ToSmallString(false)))
		if len(m.Links) != 1 || !m.Links[0].QR || m.Links[0].URL.Host != "login.lure.example" {
			t.Errorf("%s: %+v %q", kind, m.Links, m.Codes)
		}
	}
}

// TestFilesThatShowPagesAreRead: an attached page, and an invitation.
func TestFilesThatShowPagesAreRead(t *testing.T) {
	t.Parallel()
	m := parse(t, `From: a@b.example
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: application/octet-stream; name="invoice.html"
Content-Disposition: attachment; filename="invoice.html"

<form action="https://steal.example/"><input type=password></form>
--b
Content-Type: text/calendar

BEGIN:VCALENDAR
BEGIN:VEVENT
SUMMARY:Payroll meeting
END:VEVENT
END:VCALENDAR
--b--
`)
	if m.Page.Shape.Passwords != 1 || len(m.Links) != 1 || m.Links[0].URL.Host != "steal.example" {
		t.Errorf("%+v %+v", m.Page.Shape, m.Links)
	}
	if !strings.Contains(string(m.Text), "payroll meeting") {
		t.Errorf("%q", m.Text)
	}
}

// TestOfAlternativesTheLastIsShown: plain text that another follows is not seen.
func TestOfAlternativesTheLastIsShown(t *testing.T) {
	t.Parallel()
	m := parse(t, strings.NewReplacer("text/html", "text/plain", "what no reader of HTML sees", "good words").Replace(alternative))
	if s := string(m.Text); strings.Contains(s, "good words") || !strings.Contains(s, "visible") {
		t.Errorf("%q", s)
	}
}

package text

import (
	"testing"
)

func TestCalendarShowsWhatAnInvitationSays(t *testing.T) {
	p := new(Page)
	p.Calendar([]byte("BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nORGANIZER;CN=\"Pay: Desk\":mailto:a@b.example\r\nSUMMARY;LANGUAGE=en:Invoice over\r\n due\\, pay\r\nDESCRIPTION:Line\\nhttp://c.example/pa\r\n y\r\nURL:https://d.example/\r\nX-ALT-DESC;FMTTYPE=text/html:<p>Hi <b style=\"display:none\">no</b></p>\r\nUID:1\r\nEND:VEVENT\r\n"))
	if got, want := string(p.Text), "Pay: Desk\nInvoice overdue, pay\nLine\nhttp://c.example/pay\nHi"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if string(p.Hidden) != "no" || len(p.Links) != 3 || p.Links[1].Target != "https://d.example/" || p.Links[2].Target != "http://c.example/pay" {
		t.Errorf("%q %+v", p.Hidden, p.Links)
	}
}

func TestRTFIsRead(t *testing.T) {
	p := new(Page)
	p.RTF([]byte(`{\rtf1\ansi{\fonttbl{\f0 Arial;}}{\*\generator x;}\f0 Caf\'e9 \u8364?5\par {\v hidden}next {\field{\*\fldinst{HYPERLINK "http://a.example/"}}{\fldrslt{click}}}\u-10179?\u-8704? end}`))
	if got, want := string(p.Text), "Café €5\nnext click😀 end"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if string(p.Hidden) != "hidden" || len(p.Links) != 1 || p.Links[0].Target != "http://a.example/" {
		t.Errorf("%q %+v", p.Hidden, p.Links)
	}
}

func TestScriptsAndSVGLeaveTheirSigns(t *testing.T) {
	p := page(`<svg xmlns="http://www.w3.org/2000/svg"><a xlink:href="https://a.example/"><text>Open</text></a><script><![CDATA[ location.href = atob("aHR0cA=="); ]]></script>
<image href="data:image/png;base64,AAAA"/><rect onclick="eval(x)"/><foreignObject><form><input type=password placeholder=Password></form></foreignObject></svg>`)
	s := p.Shape
	if s.SVGs != 1 || s.SVGScript < 3 || s.Scripts != 1 || s.Passwords != 1 || s.DataURLs != 1 || s.Handlers != 1 || !s.Smuggle.Any() {
		t.Errorf("%+v", s)
	}
	if string(p.Text) != "Open\nPassword" {
		t.Errorf("%q", p.Text)
	}
	if p.Links[0].Target != "https://a.example/" {
		t.Errorf("%+v", p.Links)
	}
}

func TestSmugglingIsSeen(t *testing.T) {
	long := make([]byte, 0, 600)
	for range 150 {
		long = append(long, "Qk0x"...)
	}
	p := page(`<html><body onload="go()"><script>var d="` + string(long) + `";function go(){var b=new Blob([Uint8Array.from(atob(d),c=>c.charCodeAt(0))]);
var a=document.createElement("a");a.href=URL.createObjectURL(b);a.download="x.iso";a.click();window.location="https://e.example/x"}</script></body></html>`)
	m := p.Shape.Smuggle
	if m.Decoders == 0 || m.Blobs < 3 || m.Downloads == 0 || m.Moves == 0 || m.Keys == 0 || m.Long != 1 || m.LongBytes != 600 || !m.Any() {
		t.Errorf("%+v", m)
	}
	if len(p.Links) != 1 || p.Links[0].Kind != Script || p.Links[0].Target != "https://e.example/x" {
		t.Errorf("%+v", p.Links)
	}
}

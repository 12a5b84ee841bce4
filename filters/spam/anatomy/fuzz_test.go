package anatomy

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gapura-mail/gapura/filters/spam/text"
)

// told is all that a message says of what was parsed, buffers aside.
func told(m *Message) string {
	h := m.Header
	return fmt.Sprintf("%+v\n%+v\n%q %q %q %q\n%+v\n%q\n%q %q\n%d %q %+v %+v %+v", h, m.Parts, m.Subject, m.Text, m.Hidden, m.Quoted,
		m.Links, m.Codes, m.Phones, m.Language, m.Depth, m.Multi, m.Page.Shape, m.Marks, m.other)
}

// within tells which bound a message breaks.
func within(m *Message) error {
	const growth = 4 // of folded text
	h := &m.Header
	for _, x := range []struct {
		name    string
		n, most int
	}{
		{"parts", len(m.Parts), maxParts},
		{"containers", len(m.Multi), maxParts},
		{"links", len(m.Links), maxLinks + maxCodes},
		{"codes", len(m.Codes), maxCodes},
		{"phones", len(m.Phones), 16},
		{"text", len(m.Page.Text), text.MaxText},
		{"hidden", len(m.Page.Hidden), text.MaxHidden},
		{"quoted", len(m.Page.Quoted), text.MaxQuoted},
		{"folded", len(m.Text), growth * text.MaxText},
		{"folded hidden", len(m.Hidden), growth * text.MaxHidden},
		{"subject", len(h.Subject), maxSubject},
		{"priority", len(h.Priority), maxPriority + 17},
		{"from", len(h.From), maxAddresses},
		{"to", len(h.To), maxAddresses},
		{"pixels", m.pixels, maxPixels},
		{"octets", m.total, maxTotal},
		{"work", m.work + perLetter*max(0, m.total-freeText), maxWork},
	} {
		if x.n > x.most {
			return fmt.Errorf("%d %s", x.n, x.name)
		}
	}
	if !utf8.Valid(m.Text) || !utf8.Valid(m.Page.Text) || !utf8.Valid(m.Hidden) {
		return fmt.Errorf("text is no UTF-8")
	}
	return nil
}

// FuzzMessage parses whole messages: within the bounds, and the same in a
// Message that held another one before.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(alternative))
	f.Add([]byte("From: a\nContent-Type: message/rfc822\n\nSubject: x\nContent-Type: text/calendar\n\nBEGIN:VCALENDAR\nDESCRIPTION:https://a.test/\n"))
	f.Add([]byte("Content-Type: application/rtf\n\n{\\rtf1 {\\field{\\*\\fldinst HYPERLINK \"https://a.test/\"}{\\fldrslt x}}}"))
	f.Add([]byte("Content-Type: text/html; charset=utf-16\nContent-Transfer-Encoding: base64\n\nPABhAD4A\n"))
	f.Add([]byte("Subject: =?utf-8?q?=E2=80=AEx?=\nContent-Type: text/plain; charset=utf-8\n\n\u202eolleh\u202c \ufdfa +1 (800) 555-0199\n> quoted www.a.test\n"))
	used := new(Message)
	_ = used.Parse([]byte(alternative))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 64<<10 {
			return
		}
		fresh := new(Message)
		errFresh, errUsed := fresh.Parse(raw), used.Parse(raw)
		if (errFresh == nil) != (errUsed == nil) {
			t.Fatalf("%v, and used %v", errFresh, errUsed)
		}
		if fresh.Raw == nil {
			return
		}
		if err := within(fresh); err != nil {
			t.Error(err)
		}
		if a, b := told(fresh), told(used); a != b {
			t.Errorf("fresh %s\nused %s", a, b)
		}
		again := new(Message)
		_ = again.Parse(raw)
		if a, b := told(fresh), told(again); a != b {
			t.Errorf("once %s\nagain %s", a, b)
		}
	})
}

func pictureOf(w, h int) string {
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)))
	return b.String()
}

// TestPicturesOfAMessageHaveAMegapixelTogether: the second of these is looked
// at no more, a small one after it is.
func TestPicturesOfAMessageHaveAMegapixelTogether(t *testing.T) {
	t.Parallel()
	var m Message
	if err := m.Parse([]byte("From: a@a.example\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ w, h, pixels, pictures int }{
		{1000, 700, 700_000, 1}, {1000, 700, 700_000, 1}, {4000, 4000, 700_000, 1}, {400, 400, 860_000, 2}, {10, 300, 860_000, 2}, {300, 600, 1_040_000, 3}, {100, 50, 1_040_000, 3},
	} {
		data := pictureOf(x.w, x.h)
		info := Info{Type: "image/png"}
		c := m.Content(info)
		_, _ = c.Write([]byte(data))
		m.Part(t.Context(), info, c, int64(len(data)))
		if m.pixels != x.pixels || m.pictures != x.pictures {
			t.Errorf("after %dx%d: %d pictures of %d pixels", x.w, x.h, m.pictures, m.pixels)
		}
	}
}

// TestPicturesAndTextShareWhatTheyCost: with a large picture less of a long text
// is read, and after a long text only small pictures are.
func TestPicturesAndTextShareWhatTheyCost(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("word ", 250<<10/5)
	large, dense, small := pictureOf(1000, 1000), pictureOf(1000, 1000)+strings.Repeat("x", 400<<10), pictureOf(300, 300)
	work := 1000*1000 + perPicture + perOctet*len(large)
	for name, c := range map[string]struct {
		parts           []string
		pictures, total int
	}{
		"a picture and a letter":  {[]string{text[:100<<10], large, text[:20<<10]}, 1, 120 << 10},
		"a long text":             {[]string{text, text, text}, 0, maxTotal},
		"then a large picture":    {[]string{text, text, large}, 0, 500 << 10},
		"then a small one":        {[]string{text, text, small}, 1, 500 << 10},
		"two large ones":          {[]string{large, large}, 1, 0},
		"three small ones":        {[]string{small, small, small}, 3, 0},
		"one that is all noise":   {[]string{dense}, 0, 0},
		"large, then a long text": {[]string{large, text, text}, 1, (freeText - work/perFree + (maxWork-work)/perLetter) &^ 1},
	} {
		var m Message
		_ = m.Parse([]byte("From: a@a.example\r\n\r\n"))
		for i, part := range c.parts {
			info := Info{Path: fmt.Sprint(i), Type: "text/plain"}
			if strings.HasPrefix(part, "\x89PNG") {
				info.Type = "image/png"
			}
			content := m.Content(info)
			_, _ = content.Write([]byte(part))
			m.Part(t.Context(), info, content, int64(len(part)))
		}
		if m.pictures != c.pictures || m.total != c.total {
			t.Errorf("%s: %d pictures, %d octets of text, want %d", name, m.pictures, m.total, c.total)
		}
		if err := within(&m); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestManyFieldsOfAKindCostLittle counts what each of two thousand takes.
func TestManyFieldsOfAKindCostLittle(t *testing.T) {
	var m Message
	for _, field := range []string{"X-Priority: 1 (highest)\r\n", "Importance: high\r\n"} {
		few, many := []byte(strings.Repeat(field, 20)+"\r\n"), []byte(strings.Repeat(field, 1900)+"\r\n")
		a := testing.AllocsPerRun(3, func() { _ = m.Parse(few) })
		b := testing.AllocsPerRun(3, func() { _ = m.Parse(many) })
		if len(m.Header.Priority) > maxPriority+17 || b > a+100 {
			t.Errorf("%s: %v allocations, of few %v; %d octets", field, b, a, len(m.Header.Priority))
		}
	}
	for _, name := range []string{"To", "Cc", "Sender", "Reply-To"} {
		raw := []byte(strings.Repeat(name+": a <b@c.example>, d@e.example\r\n", 1900) + "\r\n")
		n := testing.AllocsPerRun(3, func() { _ = m.Parse(raw) })
		if n > 500 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestPicturesThatCostMoreLeaveLessRoom: what a picture took beyond its pixels
// counts for the text behind it; behind a long text it ends the search.
func TestPicturesThatCostMoreLeaveLessRoom(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("word ", 250<<10/5)
	clean, noisy := image.NewNRGBA(image.Rect(0, 0, 1024, 1024)), image.NewNRGBA(image.Rect(0, 0, 1024, 1024))
	for i := range noisy.Pix {
		clean.Pix[i] = 255
		noisy.Pix[i] = byte(i*i>>7) | byte(i%4/3*255)
	}
	room := func(img image.Image, before string) (total, work int) {
		var m Message
		_ = m.Parse([]byte("From: a@a.example\r\n\r\n"))
		var b bytes.Buffer
		_ = png.Encode(&b, img)
		for i, part := range []string{before, b.String(), text, text} {
			info := Info{Path: fmt.Sprint(i), Type: "text/plain"}
			if i == 1 {
				info.Type = "image/png"
			}
			content := m.Content(info)
			_, _ = content.Write([]byte(part))
			m.Part(t.Context(), info, content, int64(len(part)))
		}
		if m.pictures != 1 || m.work > maxWork {
			t.Fatal(m.pictures, m.work)
		}
		return m.total, m.work
	}
	a, _ := room(clean, "")
	b, work := room(noisy, "")
	if b+64<<10 > a {
		t.Errorf("%d octets of text behind a clean picture, %d behind noise", a, b)
	}
	if _, w := room(noisy, text[:100<<10]); w > work {
		t.Errorf("work %d behind a text, %d without", w, work)
	}
}

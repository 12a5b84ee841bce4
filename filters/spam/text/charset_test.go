package text

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
)

// TestMarksThatHideText: what a reader sees as ASCII is ASCII here, though its
// beginning looks like UTF-16; and Korean of seven bits is read.
func TestMarksThatHideText(t *testing.T) {
	t.Parallel()
	const lure = "Verify your account within 24 hours"
	long := strings.Repeat(lure+".\r\n", 20)
	utf16 := func(s string) string {
		var b []byte
		for _, c := range s {
			b = append(b, byte(c), byte(c>>8))
		}
		return string(b)
	}
	for name, c := range map[string]struct{ charset, src string }{
		"NULs in front":         {"utf-8", strings.Repeat(" \x00", 256) + long},
		"NULs in front, odd":    {"utf-8", strings.Repeat("\x00 ", 256) + long},
		"a mark of UTF-16":      {"iso-8859-1", "\xff\xfe" + long},
		"the other mark":        {"windows-1252", "\xfe\xff" + long},
		"UTF-16":                {"", utf16(long)},
		"UTF-16, odd length":    {"", utf16(long) + "\n"},
		"UTF-16 by name":        {"utf-16le", utf16(long + strings.Repeat("\u4e2d\u6587", 300))},
		"UTF-16 with a mark":    {"iso-8859-1", "\xff\xfe" + utf16(long)},
		"Korean of seven bits":  {"iso-2022-kr", "\x1b$)C\n" + long},
		"Chinese of seven bits": {"iso-2022-cn", "\x1b$)A\n" + long},
		"a charset of nothing":  {"replacement", "\x1b" + long},
	} {
		if got := string(UTF8([]byte(c.src), c.charset)); !strings.Contains(got, lure) {
			t.Errorf("%s: %.80q", name, got)
		}
	}
	for _, want := range []string{"Подтвердите ваш пароль", "请立即验证您的帐户", "Ｖｅｒｉｆｙ ｙｏｕｒ"} {
		le := []byte(utf16(want))
		be := bytes.Clone(le)
		for i := 0; i < len(be); i += 2 {
			be[i], be[i+1] = be[i+1], be[i]
		}
		for charset, src := range map[string][]byte{"utf-16": le, "UTF-16LE": le, "utf-16be": be} {
			if got := string(UTF8(src, charset)); got != want || !IsUTF16(src, charset) {
				t.Errorf("%s: %q", charset, got)
			}
		}
		if got := string(UTF8([]byte(want), "utf-16")); got != want {
			t.Errorf("UTF-8 that is said to be UTF-16: %q", got)
		}
	}
	for charset, enc := range map[string]encoding.Encoding{"IBM037": charmap.CodePage037, "cp037": charmap.CodePage037, "ibm1047": charmap.CodePage1047, "cp437": charmap.CodePage437, "ibm850": charmap.CodePage850} {
		src, err := enc.NewEncoder().String("Überprüfen Sie Ihr Konto")
		if got := string(UTF8([]byte(src), charset)); err != nil || got != "Überprüfen Sie Ihr Konto" {
			t.Errorf("%s: %q %v", charset, got, err)
		}
	}
	if got := string(UTF8([]byte("\x1b$)C\n\x0eGQ19>n\x0f OK\n"), "iso-2022-kr")); !strings.Contains(got, "한국어 OK") {
		t.Errorf("%q", got)
	}
	if got := string(UTF8([]byte("\xff\xfe\x2d\x4e\x87\x65\x57\x5b\x26\x7b"), "utf-8")); got != "中文字符" {
		t.Errorf("%q", got)
	}
}

package message

import (
	"strings"
	"testing"
)

const top = "From: a@b\r\nMIME-Version: 1.0\r\n"

// Each message shows a file in one reading that the plain one hides, or
// nothing of the kind; want lists the hidden parts.
func TestReadings(t *testing.T) {
	t.Parallel()
	exe := "Content-Type: application/octet-stream; name=a.exe\r\nContent-Transfer-Encoding: base64\r\n\r\nZXZpbA==\r\n"
	multi := func(b string) string { return top + "Content-Type: multipart/mixed; boundary=" + b + "\r\n" }
	for name, c := range map[string]struct{ raw, want string }{
		"clean":             {multi("x") + "\r\n--x\r\n\r\nhi\r\n--x\r\n" + exe + "--x--\r\n", ""},
		"two types":         {top + "Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" + exe + "--x--\r\n", "last 1 a.exe"},
		"two types, same":   {multi("x") + "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" + exe + "--x--\r\n", ""},
		"two boundaries":    {multi("y; boundary=x") + "\r\n--y\r\n\r\nhi\r\n--y--\r\n--x\r\n" + exe + "--x--\r\n", "last 1 a.exe"},
		"two encodings":     {multi("x") + "\r\n--x\r\nContent-Transfer-Encoding: 7bit\r\n" + exe + "--x--\r\n", "last 1 a.exe"},
		"longer boundary":   {multi("x") + "\r\n--x\r\n\r\nhi\r\n--xyz\r\n" + exe + "--x--\r\n", "loose 2 a.exe"},
		"nested prefix":     {multi("x") + "\r\n--x\r\nContent-Type: multipart/mixed; boundary=xy\r\n\r\n--xy\r\n" + exe + "--xy--\r\n--x--\r\n", ""},
		"after close":       {multi("x") + "\r\n--x\r\n\r\nhi\r\n--x--\r\n\r\n--x\r\n" + exe + "--x--\r\n", "loose 2 a.exe"},
		"opened by close":   {multi("x") + "\r\n--x--\r\n" + exe + "--x--\r\n", "loose 1 a.exe"},
		"epilogue text":     {multi("x") + "\r\n--x\r\n" + exe + "--x--\r\nfooter -- --y\r\n", ""},
		"no boundary":       {top + "Content-Type: multipart/mixed\r\n\r\n--x\r\n" + exe + "--x--\r\n", "loose 1 a.exe"},
		"word boundary":     {multi("\"=?utf-8?q?x?=\"") + "\r\n--x\r\n" + exe + "--x--\r\n", "loose 1 a.exe"},
		"space in boundary": {multi("x y") + "\r\n--x y\r\n" + exe + "--x y--\r\n", "loose 1 a.exe"},
		"comment":           {multi("x(y)") + "\r\n--x(y)\r\n" + exe + "--x(y)--\r\n", "loose 1 a.exe"},
		"2231 boundary":     {top + "Content-Type: multipart/mixed; boundary*0=x; boundary*1=y; boundary=z\r\n\r\n--xy\r\n\r\n\r\n--xy--\r\n--z\r\n" + exe + "--z--\r\n", "loose 1 a.exe"},
		"2231 alone":        {top + "Content-Type: multipart/mixed; boundary*0=x; boundary*1=y\r\n\r\n--xy\r\n" + exe + "--xy--\r\n", ""},
		"NUL in boundary":   {multi("\"x\x00y\"") + "\r\n--x\r\n" + exe + "--x--\r\n", "loose 1 a.exe"},
		"broken type":       {top + "Content-Type: multipart; boundary=x\r\n\r\n--x\r\n" + exe + "--x--\r\n", "loose 1 a.exe"},
		"unknown encoding":  {top + "Content-Type: application/x; name=a.exe\r\nContent-Transfer-Encoding: x-base64\r\n\r\nZXZpbA==\r\n", "loose 1 a.exe"},
		"encoding, comment": {top + "Content-Type: application/x; name=a.exe\r\nContent-Transfer-Encoding: base64 (x)\r\n\r\nZXZpbA==\r\n", "strict 1 a.exe"},
		"encoded multipart": {multi("x") + "Content-Transfer-Encoding: base64\r\n\r\n" + "LS14DQpDb250ZW50LVR5cGU6IHRleHQvaHRtbA0KDQo8cD4NCi0teC0tDQo=\r\n", "loose 1 "},
		"padding":           {top + "Content-Type: application/x; name=a.exe\r\nContent-Transfer-Encoding: base64\r\n\r\nZXZpbA==\r\nZXZpbA==\r\n", "strict 1 a.exe"},
		"garbage":           {top + "Content-Type: application/x; name=a.exe\r\nContent-Transfer-Encoding: base64\r\n\r\nZXZ*pbA==\r\n", "strict 1 a.exe"},
		"url alphabet":      {top + "Content-Type: application/x; name=a.exe\r\nContent-Transfer-Encoding: base64\r\n\r\nZX_-pbA=\r\n", "loose 1 a.exe strict 1 a.exe"},
		"name":              {top + "Content-Type: application/x; name=a.exe\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nx\r\n", "loose 1 a.exe"},
		"name, no ending":   {top + "Content-Type: application/x; name=a.asc\r\nContent-Disposition: attachment; filename=a\r\n\r\nx\r\n", ""},
		"names":             {top + "Content-Type: application/x\r\nContent-Disposition: attachment; filename=a.txt; filename=a.exe\r\n\r\nx\r\n", "last 1 a.exe"},
		"name, 2231":        {top + "Content-Type: application/x\r\nContent-Disposition: attachment; filename=a.exe; filename*=utf-8''a.txt\r\n\r\nx\r\n", "loose 1 a.exe"},
		"space and colon":   {top + "Content-Type : text/plain\r\nContent-Type: text/html\r\n\r\n<p>\r\n", "last 1 "},
		"header ends":       {multi("x") + "junk\r\n--x\r\nContent-Type: text/html\r\n\r\n<p>\r\n--x--\r\n", "last 1  strict 1 "},
		"blank fold":        {multi("x") + " \r\n--x\r\nContent-Type: text/html\r\n\r\n<p>\r\n--x--\r\n", "last 1  loose 1 "},
		"bare CR":           {top + "X: y\rContent-Type: text/html\r\n\r\n<p>\r\n", "loose 1 "},
		"CR boundary":       {multi("x") + "\r\n--x\r\n\r\nhi\r--x\r\n" + exe + "--x--\r\n", "loose 2 a.exe"},
		"mbox line":         {">From a\r\n" + multi("x") + "\r\n--x\r\n" + exe + "--x--\r\n", ""},
		"source as text":    {multi("x") + "Content-Type: text/plain\r\n\r\n--x\r\n" + exe + "--x--\r\n", ""},
		"qp file":           {top + "Content-Type: application/x; name=a.exe\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=zb\r\n", "loose 1 a.exe"},
		"footer":            {top + "Content-Transfer-Encoding: base64\r\n\r\nZXZpbA==\r\n_____\r\nmailing-list\r\n", ""},
		"url text":          {top + "Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nZX_-pbA=\r\n", "loose 1 "},
		"qp text":           {top + "Content-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\na=zb\r\n", ""},
	} {
		w, _ := walkAll(t, []byte(c.raw), WalkLimits{})
		var got []string
		for _, p := range w.hidden {
			got = append(got, string(p.Reading)+" "+p.Path+" "+p.Filename)
		}
		if s := strings.Join(got, " "); s != c.want || w.Ambiguous() != (c.want != "") {
			t.Errorf("%s: hidden %q, want %q; readings %q", name, s, c.want, w.Readings())
		}
	}
}

package sieve

import (
	"testing"
)

const parts = `From: a@example.org
Subject: parts
Content-Type: multipart/mixed; boundary=b

before
--b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

na=EFve text
--b
Content-Type: multipart/alternative; boundary=c

--c
Content-Type: text/html

<p>rich <b>text</b></p><style>secret</style>
--c--
--b
Content-Type: application/pdf; name="x.pdf"
Content-Disposition: attachment; filename="y.pdf"
Content-Transfer-Encoding: base64

SGVsbG8gUERG
--b--
after
`

func TestBody(t *testing.T) {
	t.Parallel()
	checkHolds(t, newEnv(t, parts),
		`body :contains "naïve"`, `body :text :contains "rich text"`, `!body :contains "secret"`, `!body :contains "<b>"`, `!body :contains "Hello PDF"`,
		`body :content "application/pdf" :contains "Hello PDF"`, `body :content "text/html" :contains "<b>"`, `body :content "multipart" :contains "before"`,
		`body :content "multipart" :contains "after"`, `body :raw :contains "SGVsbG8"`, `!body :raw :contains "Hello PDF"`, `body :content "" :contains "Hello PDF"`,
		`!body :content "image" :contains ""`, `body :raw :regex "^before"`, `body :content ["image", "TEXT"] :count "eq" "2"`,
	)
	checkHolds(t, newEnv(t, "From: a\n"), `!body :raw :contains ""`)
}

func TestMIME(t *testing.T) {
	t.Parallel()
	tests := []struct{ script, want string }{
		{`foreverypart { if header :mime :subtype "content-type" "pdf" { fileinto "pdf"; break; } }`, "fileinto pdf"},
		{`foreverypart { if header :mime :param "filename" "content-disposition" "y.pdf" { fileinto "y"; } }`, "fileinto y"},
		{`if header :mime :anychild :contenttype "content-type" "text/html" { fileinto "h"; }`, "fileinto h"},
		{`if header :mime :type "content-type" "text" { fileinto "h"; }`, "implicit"},
		{`foreverypart { if header :mime :contenttype "content-type" "text/plain" { extracttext :first 5 "t"; fileinto "${t}"; } }`, "fileinto naïve"},
		{`foreverypart :name "o" { foreverypart { if header :mime :contenttype "content-type" "text/html" { fileinto "in"; break :name "o"; } } }`, "fileinto in"},
	}
	for _, tt := range tests {
		if got := actions(t, tt.script, newEnv(t, parts), Options{}); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.script, got, tt.want)
		}
	}
}

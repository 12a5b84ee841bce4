package imap_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// printed parses what follows a command's name and prints it; ok is false
// where it cannot be parsed.
func printed(name, args string) (string, error) {
	d := decoder(args)
	var b []byte
	switch name {
	case "FETCH", "UID FETCH":
		var f imap.Fetch
		if d.Fetch(name[0] == 'U', &f) {
			b = f.Append(nil)
		}
	case "STORE":
		var s imap.Store
		if d.Store(&s) {
			b = s.Append(nil)
		}
	case "SEARCH":
		var s imap.Search
		if d.Search(&s) {
			b = s.Append(nil)
		}
	case "SORT":
		var s imap.Sort
		if d.Sort(&s) {
			b = s.Append(nil)
		}
	case "THREAD":
		var s imap.Thread
		if d.Thread(&s) {
			b = s.Append(nil)
		}
	}
	return string(b), d.Err()
}

func TestCommandsPrintAsTheyWereMeant(t *testing.T) {
	for in, want := range map[string]string{
		"FETCH 1 ALL":                                            " 1 (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)",
		"FETCH 1 fast":                                           " 1 (FLAGS INTERNALDATE RFC822.SIZE)",
		"FETCH 1:* full":                                         " 1:* (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY)",
		"FETCH $ UID":                                            " $ (UID)",
		"FETCH 1 (BODYSTRUCTURE BODY)":                           " 1 (BODY BODYSTRUCTURE)",
		"FETCH 1 BODY[]":                                         " 1 (BODY[])",
		"FETCH 1 body.peek[]<0.100>":                             " 1 (BODY.PEEK[]<0.100>)",
		"FETCH 1 (body[1.2.mime] body[1.text])":                  " 1 (BODY[1.2.MIME] BODY[1.TEXT])",
		"FETCH 1 BODY[HEADER.FIELDS (from \"to\")]":              " 1 (BODY[HEADER.FIELDS (from to)])",
		"FETCH 1 BODY[1.HEADER.FIELDS.NOT (a b)]":                " 1 (BODY[1.HEADER.FIELDS.NOT (a b)])",
		"FETCH 1 (rfc822 rfc822.header RFC822.TEXT RFC822.SIZE)": " 1 (RFC822.SIZE RFC822 RFC822.HEADER RFC822.TEXT)",
		"FETCH 1 (BINARY[1] BINARY.PEEK[1.2]<3.4> BINARY.SIZE[2] BINARY[])": " 1 (BINARY[1] BINARY.PEEK[1.2]<3.4> BINARY.SIZE[2] BINARY[])",
		"FETCH 1 (PREVIEW)":                               " 1 (PREVIEW)",
		"FETCH 1 (PREVIEW (LAZY) UID)":                    " 1 (UID PREVIEW (LAZY))",
		"FETCH 1 PREVIEW (CHANGEDSINCE 5)":                " 1 (PREVIEW) (CHANGEDSINCE 5)",
		"FETCH 1 (SAVEDATE EMAILID THREADID MODSEQ)":      " 1 (MODSEQ SAVEDATE EMAILID THREADID)",
		"UID FETCH 1 FLAGS (CHANGEDSINCE 5 VANISHED)":     " 1 (FLAGS) (CHANGEDSINCE 5 VANISHED)",
		"UID FETCH 1:* FLAGS (PARTIAL -1:-30)":            " 1:* (FLAGS) (PARTIAL -1:-30)",
		"STORE 1 FLAGS ()":                                " 1 FLAGS ()",
		"STORE 1 +flags NIL":                              " 1 +FLAGS (NIL)",
		`STORE 1 -FLAGS.SILENT (\Seen a)`:                 ` 1 -FLAGS.SILENT (\Seen a)`,
		`STORE 1 (UNCHANGEDSINCE 0) FLAGS \Seen \Deleted`: ` 1 (UNCHANGEDSINCE 0) FLAGS (\Deleted \Seen)`,
		"SEARCH ALL":                        " CHARSET UTF-8 ALL",
		"SEARCH CHARSET us-ascii 1:5":       " CHARSET UTF-8 1:5",
		"SEARCH RETURN () $":                " RETURN (ALL) CHARSET UTF-8 $",
		"SEARCH RETURN (SAVE MIN) UNSEEN":   " RETURN (MIN SAVE) CHARSET UTF-8 UNSEEN",
		"SEARCH RETURN (PARTIAL 100:1) NEW": " RETURN (PARTIAL 1:100) CHARSET UTF-8 (RECENT UNSEEN)",
		"SEARCH old":                        " CHARSET UTF-8 OLD",
		`SEARCH OR (FROM a TO "b c") NOT SUBJECT {1}` + "\r\nx":                ` CHARSET UTF-8 OR (FROM "a" TO "b c") NOT SUBJECT "x"`,
		"SEARCH HEADER X-a \"\" SINCE 1-Feb-1994":                              ` CHARSET UTF-8 HEADER "X-a" "" SINCE 1-Feb-1994`,
		"SEARCH UID 1,* KEYWORD $Junk UNKEYWORD a LARGER 5 YOUNGER 60":         " CHARSET UTF-8 UID 1,* KEYWORD $Junk UNKEYWORD a LARGER 5 YOUNGER 60",
		`SEARCH MODSEQ "/flags/\\draft" all 620162338`:                         " CHARSET UTF-8 MODSEQ 620162338",
		"SEARCH SAVEDATESUPPORTED EMAILID M1 FUZZY TEXT é":                     ` CHARSET UTF-8 SAVEDATESUPPORTED EMAILID "M1" FUZZY TEXT "é"`,
		"SORT (SUBJECT REVERSE DATE) UTF-8 ALL":                                " (SUBJECT REVERSE DATE) UTF-8 ALL",
		"SORT RETURN (PARTIAL 1:100 COUNT) (REVERSE displayfrom) US-ASCII ALL": " RETURN (COUNT PARTIAL 1:100) (REVERSE DISPLAYFROM) UTF-8 ALL",
		"THREAD references UTF-8 SEEN":                                         " REFERENCES UTF-8 SEEN",
	} {
		name, args := cutName(in)
		got, err := printed(name, args)
		if err != nil || got != want {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
			continue
		}
		if again, err := printed(name, got); err != nil || again != got {
			t.Errorf("%q printed %q, which is %q %v", in, got, again, err)
		}
	}
}

func cutName(in string) (name, args string) {
	for _, n := range []string{"UID FETCH", "FETCH", "STORE", "SEARCH", "SORT", "THREAD"} {
		if rest, ok := strings.CutPrefix(in, n); ok {
			return n, rest
		}
	}
	return in, ""
}

func TestMalformedCommandsAreBad(t *testing.T) {
	for _, in := range []string{
		"FETCH 1", "FETCH 1 ()", "FETCH 1 (", "FETCH 1 UID FLAGS", "FETCH 1 (UID  FLAGS)", "FETCH 1 BODY[", "FETCH 1 BODY[0]", "FETCH 1 BODY[1.]",
		"FETCH 1 BODY[MIME]", "FETCH 1 BODY[]<0>", "FETCH 1 BODY[]<0.0>", "FETCH 1 BODY[HEADER.FIELDS]", "FETCH 1 BODY[HEADER.FIELDS ()]", "FETCH 1 BINARY[TEXT]",
		"FETCH 1 BINARY[1.]", "FETCH 1 BODY.SIZE[1]", "FETCH 1 (ALL)", "FETCH 1 FLAGS (VANISHED)", "UID FETCH 1 FLAGS (VANISHED)", "FETCH 1 FLAGS (CHANGEDSINCE 5 VANISHED)", "FETCH 0 UID", "FETCH 1:2: UID",
		"STORE 1", "STORE 1 FLAGS", "STORE 1 FLAGS (a", "STORE 1 *FLAGS a", `STORE 1 FLAGS \Recent`, "STORE 1 (UNCHANGEDSINCE) FLAGS a", "STORE 1 FLAGS a ",
		"SEARCH", "SEARCH ", "SEARCH FOO", "SEARCH ()", "SEARCH NOT", "SEARCH OR ALL", "SEARCH ALL ", "SEARCH (ALL", "SEARCH SINCE 1-Foo-1994", "SEARCH YOUNGER 0", `SEARCH KEYWORD \Seen`,
		"SEARCH RETURN (FOO) ALL", "SEARCH RETURN (PARTIAL 1) ALL", "SEARCH RETURN (PARTIAL 1:*) ALL", "SEARCH RETURN (PARTIAL 1:-1) ALL", "SEARCH RETURN (ALL PARTIAL 1:2) ALL", "SEARCH CHARSET UTF-8",
		"SEARCH RETURN (PARTIAL 1:2 PARTIAL 1:2) ALL",
		"SORT () UTF-8 ALL", "SORT (REVERSE) UTF-8 ALL", "SORT (FOO) UTF-8 ALL", "SORT (DATE) ALL", "SORT (DATE) UTF-8", "THREAD FOO UTF-8 ALL", "THREAD REFERENCES UTF-8",
	} {
		name, args := cutName(in)
		got, err := printed(name, args)
		if _, ok := errors.AsType[*imap.SyntaxError](err); !ok {
			if _, ok := errors.AsType[*imap.Refusal](err); !ok || name != "SORT" {
				t.Errorf("%q: %q %v", in, got, err)
			}
		}
	}
}

func TestSearchesAreBounded(t *testing.T) {
	for _, in := range []string{
		strings.Repeat("NOT ", 600) + "ALL",
		strings.Repeat("(", 600) + "ALL" + strings.Repeat(")", 600),
		strings.Repeat("ALL ", 3000) + "ALL",
		"TEXT " + strings.Repeat("x", 2000),
		"CHARSET KOI8-R ALL",
		"SUBJECT {1}\r\n\xff",
	} {
		_, err := printed("SEARCH", " "+in)
		if r, ok := errors.AsType[*imap.Refusal](err); !ok || r.Code == "" {
			t.Errorf("%.20q: %v", in, err)
		}
	}
}

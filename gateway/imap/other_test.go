package imap_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/gateway/imap"
)

// parsed says in words what the rest of a command is.
func parsed(name, args string) (string, error) {
	d := decoder(args)
	switch name {
	case "LIST":
		var c imap.ListCommand
		d.ListCommand(&c)
		return fmt.Sprintf("%v %d %q %q %d %d %q", c.Extended, c.Select, c.Reference, c.Patterns, c.Return, c.Status, c.Metadata.Entries), d.Err()
	case "STATUS":
		var s imap.Status
		d.Status(&s)
		return fmt.Sprintf("%q %b", s.Mailbox, s.Items), d.Err()
	case "SELECT":
		var s imap.SelectCommand
		d.SelectCommand(&s)
		if q := s.QResync; q != nil {
			return fmt.Sprintf("%q %v %d %d %v %s %s %s", s.Mailbox, s.CondStore, q.Validity, q.ModSeq, q.HasKnown, q.Known.String(), q.Seqs.String(), q.UIDs.String()), d.Err()
		}
		return fmt.Sprintf("%q %v", s.Mailbox, s.CondStore), d.Err()
	case "APPEND":
		var box string
		var m imap.AppendMessage
		d.ParseAppend(&box, &m)
		return fmt.Sprintf("%q %s %s %v %+v", box, imap.AppendFlags(nil, m.Flags.System, m.Flags.Keywords...), timeValue{m.Date}, m.UTF8, m.Literal), d.Err()
	case "ID":
		var f []imap.IDField
		d.IDFields(&f)
		return fmt.Sprintf("%q", f), d.Err()
	case "ENABLE":
		var w []string
		d.Words(&w)
		return fmt.Sprintf("%q", w), d.Err()
	case "SETQUOTA":
		var root string
		var r []imap.QuotaResource
		d.SetQuota(&root, &r)
		return fmt.Sprintf("%q %v", root, r), d.Err()
	case "GETMETADATA":
		var g imap.GetMetadata
		d.GetMetadata(&g)
		return fmt.Sprintf("%q %q %d %v %d", g.Mailbox, g.Entries, g.Depth, g.HasMaxSize, g.MaxSize), d.Err()
	case "SETMETADATA":
		var box string
		var e []imap.MetadataEntry
		d.SetMetadata(&box, &e)
		return fmt.Sprintf("%q %q", box, e), d.Err()
	case "NOTIFY":
		var n imap.Notify
		d.Notify(&n)
		s := fmt.Sprint(n.Status)
		for _, g := range n.Groups {
			s += fmt.Sprintf(" (%d %q %b %v%s)", g.Scope, g.Mailboxes, g.Events, g.HasNew, g.New.Append(nil))
		}
		return s, d.Err()
	}
	return "", nil
}

func TestOtherCommands(t *testing.T) {
	for in, want := range map[string]string{
		`LIST "" *`:  `false 0 "" ["*"] 0 0 []`,
		`LIST "" ""`: `false 0 "" [""] 0 0 []`,
		`LIST (SUBSCRIBED RECURSIVEMATCH) "" ("a" %) RETURN (CHILDREN SPECIAL-USE STATUS (MESSAGES UIDNEXT) METADATA ("/private/Comment"))`: `true 5 "" ["a" "%"] 30 5 ["/private/comment"]`,
		`LIST () a b RETURN ()`:          `true 0 "a" ["b"] 0 0 []`,
		`STATUS inbox (messages SIZE)`:   `"INBOX" 1000001`,
		`SELECT "a b"`:                   `"a b" false`,
		`SELECT a (CONDSTORE)`:           `"a" true`,
		`SELECT a (QRESYNC (1 2))`:       `"a" false 1 2 false   `,
		`SELECT a (QRESYNC (1 2 3:5,9))`: `"a" false 1 2 true 3:5,9  `,
		`SELECT a (CONDSTORE QRESYNC (1 20050715194045000 41,43:211,214:541 (1,3 41,45)))`: `"a" true 1 20050715194045000 true 41,43:211,214:541 1,3 41,45`,
		`SELECT a (QRESYNC (1 2 (1 41)))`:                                                  `"a" false 1 2 false  1 41`,
		`APPEND a (\Seen x) "17-Jul-1996 02:44:25 -0700" {310+}`:                           `"a" \Seen x "17-Jul-1996 02:44:25 -0700" false {Size:310 NonSync:true Binary:false Head:6}`,
		`APPEND a ~{3}`:                  `"a"  " 1-Jan-0001 00:00:00 +0000" false {Size:3 NonSync:false Binary:true Head:4}`,
		`APPEND a UTF8 (~{3}`:            `"a"  " 1-Jan-0001 00:00:00 +0000" true {Size:3 NonSync:false Binary:true Head:4}`,
		`ID NIL`:                         `[]`,
		`ID ("name" "x" "version" NIL)`:  `[{"name" "x"} {"version" ""}]`,
		`ENABLE condstore x-foo`:         `["CONDSTORE" "X-FOO"]`,
		`SETQUOTA "" (storage 512)`:      `"" [{STORAGE 512}]`,
		`GETMETADATA "" /shared/comment`: `"" ["/shared/comment"] 0 false 0`,
		`GETMETADATA INBOX (MAXSIZE 1024 DEPTH infinity) (/shared/comment /private/A)`: `"INBOX" ["/shared/comment" "/private/a"] 2 true 1024`,
		`GETMETADATA (DEPTH 1) INBOX (/shared/comment)`:                                `"INBOX" ["/shared/comment"] 1 false 0`,
		"SETMETADATA INBOX (/private/comment {3}\r\nabc /shared/comment NIL)":          `"INBOX" [{"/private/comment" "abc"} {"/shared/comment" ""}]`,
		`NOTIFY NONE`: `false`,
		`NOTIFY SET STATUS (SELECTED MessageNew (UID FLAGS) MessageExpunge) (SUBTREE Lists NONE)`:                                             ``,
		`NOTIFY SET STATUS (selected (MessageNew (UID FLAGS) MessageExpunge FlagChange)) (subtree (Lists "a") NONE) (personal (MailboxName))`: `true (0 [] 111 true  (UID FLAGS)) (5 ["Lists" "a"] 0 false  ()) (3 [] 10000 false  ())`,
	} {
		name, rest, _ := strings.Cut(in, " ")
		got, err := parsed(name, " "+rest)
		if (err != nil) != (want == "") || err == nil && got != want {
			t.Errorf("%q: %s, %v; want %s", in, got, err, want)
		}
	}
}

func TestOtherMalformedCommands(t *testing.T) {
	for _, in := range []string{
		`LIST`, `LIST ""`, `LIST "" * `, `LIST (FOO) "" *`, `LIST (RECURSIVEMATCH) "" *`, `LIST "" ()`, `LIST "" * RETURN`, `LIST "" * RETURN (STATUS)`, `LIST "" * RETURN (STATUS ())`, `LIST "" (a`,
		`STATUS a`, `STATUS a ()`, `STATUS a (FOO)`, `STATUS a MESSAGES`,
		`SELECT`, `SELECT a (FOO)`, `SELECT a (QRESYNC)`, `SELECT a (QRESYNC (0 1))`, `SELECT a (QRESYNC (1 1 *))`, `SELECT a (QRESYNC (1 1 1 (1 1,2)))`, `SELECT a b`,
		`APPEND a`, `APPEND a b`, `APPEND a () {3} `, `APPEND a UTF8 ({3}`, `APPEND a (\Recent) {3}`, `APPEND a "x" {3}`,
		`ID`, `ID ("a")`, `ID (a b)`, `ENABLE`, `SETQUOTA a`, `GETMETADATA a b`, `GETMETADATA a (/a*)`, `SETMETADATA a ()`, `SETMETADATA a (/b c)`,
		`NOTIFY`, `NOTIFY SET`, `NOTIFY SET ()`, `NOTIFY SET (SELECTED (FlagChange))`, `NOTIFY SET (SELECTED (MessageNew))`, `NOTIFY SET (FOO NONE)`,
	} {
		name, rest, found := strings.Cut(in, " ")
		if found {
			rest = " " + rest
		}
		if got, err := parsed(name, rest); err == nil {
			t.Errorf("%q: %s", in, got)
		}
	}
}

package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/report"
	"github.com/gapura-mail/gapura/test/peers"
)

// open reads a message as the gateway would get it: CRLF line ends.
func open(t testing.TB, name string) (*message.Header, *bytes.Reader) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.ReplaceAll(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	head, body := message.Split(b)
	h, err := message.ParseHeader(head, message.HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	return h, bytes.NewReader(body)
}

// bounceCase is what the suite expects of a file, in the words of its authors.
type bounceCase struct {
	File   string
	Expect []struct {
		Status, Reply, Reason string
		Hardbounce            bool
	}
}

// misread are files of the suite that are read in another way than its
// authors do, and why.
var misread = map[string]string{
	"lhost-gmail-08.eml":           "a delay: 4, not 5",
	"lhost-opensmtpd-06.eml":       "a delay with Status 4.4.7",
	"lhost-opensmtpd-12.eml":       "a delay with Status 4.0.0",
	"lhost-opensmtpd-15.eml":       "a delay with Status 4.4.7",
	"lhost-exchange2003-04.eml":    "Recipient Not Found, said by the system itself: for good",
	"lhost-x1-01.eml":              "User unknown, said by the system itself: for good",
	"lhost-x2-02.eml":              "no such account, said by the system itself: for good",
	"lhost-messagingserver-06.eml": "User Unknown in answer to RCPT: for good",
	"lhost-receivingses-01.eml":    "5.1.1 Mailbox does not exist: for good",
	"lhost-receivingses-02.eml":    "5.1.1 Mailbox does not exist: for good",
	"lhost-sendmail-56.eml":        "the 421 is the answer to QUIT; the refusal is 554",
	"rfc3464-01.eml":               "the text says full, the fields say 5.1.1 User Unknown",
	"rfc3464-28.eml":               "two messages in a file (mbox): the first is read",
	"rfc3464-35.eml":               "550 user unknown: for good",
}

// TestBouncesOfManySystems reads every file of a suite that nobody here wrote:
// class of the status and whether it is for good must be what it says.
func TestBouncesOfManySystems(t *testing.T) {
	t.Parallel()
	dir := peers.Suite(t, "conformance/dsn-sisimai") + "/"
	raw, err := os.ReadFile(dir + "dsn.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []bounceCase
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, c := range cases {
		h, body := open(t, dir+c.File)
		d, err := report.ReadDSN(h, body)
		if err != nil {
			d = &report.DSN{}
		}
		ok := len(d.Recipients) == len(c.Expect)
		for i := range d.Recipients {
			if ok {
				r, want := &d.Recipients[i], c.Expect[i]
				ok = want.Status == "" == (r.Status.String() == "") && (want.Status == "" || r.Status.String()[0] == want.Status[0]) && r.Hard == want.Hardbounce
			}
		}
		_, known := misread[filepath.Base(c.File)]
		if ok == known {
			failed++
			t.Errorf("%s: %v", c.File, err)
			for _, r := range d.Recipients {
				t.Logf("  got  %s %s %d %s %v: %.300s", r.Address, r.Status, r.Reply, r.Reason, r.Hard, r.Text)
			}
			for _, e := range c.Expect {
				t.Logf("  want %s %s %s %v", e.Status, e.Reply, e.Reason, e.Hardbounce)
			}
		}
	}
	t.Logf("%d of %d read as their authors do, %d otherwise, for a reason", len(cases)-failed-len(misread), len(cases), len(misread))
	files, _ := filepath.Glob(dir + "not-a-bounce/is-not*.eml")
	for _, f := range files {
		h, body := open(t, f)
		if d, err := report.ReadDSN(h, body); err == nil {
			t.Errorf("%s is no bounce: %+v", f, d)
		}
	}
}

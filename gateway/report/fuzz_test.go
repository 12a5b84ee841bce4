package report_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/gapura-mail/gapura/gateway/message"
	"github.com/gapura-mail/gapura/gateway/report"
)

func split(data []byte) (*message.Header, *bytes.Reader) {
	head, body := message.Split(data)
	h, err := message.ParseHeader(head, message.HeaderLimits{})
	if err != nil {
		h, _ = message.ParseHeader(nil, message.HeaderLimits{})
	}
	return h, bytes.NewReader(body)
}

func FuzzDSN(f *testing.F) {
	files, _ := filepath.Glob("testdata/bounces/*.eml")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, body := split(data)
		d, err := report.ReadDSN(h, body)
		if err != nil {
			return
		}
		if len(d.Recipients) == 0 || len(d.Recipients) > report.MaxRecipients {
			t.Fatalf("%d recipients", len(d.Recipients))
		}
		for _, r := range d.Recipients {
			if r.Address == "" && d.Kind == report.Bounce || r.Reason == "" || len(r.Text) > report.MaxText {
				t.Fatalf("recipient %+v", r)
			}
			if r.Hard && r.Status[0] != 5 {
				t.Fatalf("for good with %s", r.Status)
			}
		}
	})
}

func FuzzARF(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, body := split(data)
		r, err := report.ReadFeedback(h, body)
		if err == nil && (r.Type == "" || r.Incidents < 1 || len(r.RcptTo) > 100) {
			t.Fatalf("report %+v", r)
		}
	})
}

func FuzzDMARCReport(f *testing.F) {
	f.Add([]byte(aggregate))
	f.Add(packed(f, aggregate))
	f.Add(zipped(f, "r.xml", aggregate))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := report.ReadAggregate(bytes.NewReader(data))
		if err == nil && (a.Policy.Domain == "" && len(a.Records) == 0 || len(a.Records) > report.MaxAggregateRecords) {
			t.Fatalf("report %+v", a)
		}
		h, body := split(data)
		_, _ = report.ReadAggregateMessage(h, body)
	})
}

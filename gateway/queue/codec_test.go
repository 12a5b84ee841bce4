package queue

import (
	"bytes"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// full is an entry with everything there is.
func full() *entry {
	e := &entry{
		id: 7, route: "outbound", domain: "example.net", attempts: 3, tried: 1700000000123, since: 1700000000000,
		hold: "why", heldAt: 1700000000001,
		msg: &message{
			first: 6, entries: 4, trace: "01ABC", from: smtp.ReversePath{Address: smtp.Address{Local: "a b", Domain: "exämple.org"}},
			user: "ana", queue: gateway.Queueing{Lane: "bulk", Pool: "p", Priority: -3}, queued: 1600000000000, notBefore: 1600000100000,
			eightBit: true, utf8Header: true,
			params: smtp.MailParams{
				Size: 12345, Body: smtp.Body8BitMIME, SMTPUTF8: true, RequireTLS: true, Return: smtp.ReturnHeaders,
				EnvelopeID: "QQ314159", Auth: &smtp.Address{Local: "x", Domain: "y.test"}, PRDR: true, Priority: 4,
				DeliverBy: smtp.DeliverBy{Within: -90 * time.Second, Return: true, Trace: true, Set: true},
			},
		},
		rcpts: []recipient{
			{to: smtp.ForwardPath{Address: address("b@example.net")}},
			{
				to:     smtp.ForwardPath{Address: smtp.Address{Local: "ü", Domain: "example.net"}},
				params: smtp.RcptParams{Notify: smtp.NotifySuccess | smtp.NotifyDelay, OriginalType: "utf-8", OriginalAddress: "ü@x.test"},
				warned: true, last: reply{Reply: smtp.NewReply(451, smtp.EnhancedCode{4, 7, 1}, "two\nlines"), mta: "mx.example.net", local: true},
			},
		},
	}
	e.flow = flowOf(e.route, e.domain, e.msg.lane(), e.msg.priority(), e.msg.sender())
	return e
}

func TestRowsAreReadAsWritten(t *testing.T) {
	zero := &entry{msg: &message{first: 1, entries: 1}, rcpts: []recipient{{}}}
	zero.flow = flowOf("", "", DefaultLane, 0, "")
	noAuth := full()
	noAuth.msg.params.Auth = &smtp.Address{}
	ours := full()
	ours.msg.queue.Report = true
	for _, want := range []*entry{zero, full(), noAuth, ours} {
		row := appendRow(nil, want)
		got := &entry{id: want.id}
		if err := parseRow(row, got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("read\n%+v\n%+v\nwritten\n%+v\n%+v", got, got.msg, want, want.msg)
		}
		for n := range row {
			if err := parseRow(row[:n], &entry{}); err == nil {
				t.Errorf("cut to %d of %d octets: read", n, len(row))
			}
		}
	}
}

// TestRowOfVersion1: rows that the first version has written are read for
// ever. The file was written by it and never changes.
func TestRowOfVersion1(t *testing.T) {
	row, err := os.ReadFile("testdata/row-v1.bin")
	if err != nil {
		t.Fatal(err)
	}
	want, got := full(), &entry{id: 7}
	if err := parseRow(row, got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v: read\n%+v\nwant\n%+v", err, got, want)
	}
}

func hex(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

// FuzzParseRow: whatever a row holds, it is refused or read as something that
// is written the same way.
func FuzzParseRow(f *testing.F) {
	f.Add(appendRow(nil, full()))
	f.Add(appendRow(nil, &entry{msg: &message{first: 1, entries: 1}, rcpts: []recipient{{}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		e := &entry{}
		if parseRow(b, e) != nil {
			return
		}
		again := &entry{}
		row := appendRow(nil, e)
		if err := parseRow(row, again); err != nil {
			t.Fatalf("written again, it cannot be read: %v", err)
		}
		if !bytes.Equal(appendRow(nil, again), row) {
			t.Error("written again, it differs")
		}
	})
}

// TestFlowsAreNumberedForEver: buckets are stored.
func TestFlowsAreNumberedForEver(t *testing.T) {
	if n := flowOf("outbound", "example.net", "bulk", -3, "ana"); n != 0x23fe3c890a01eda2 {
		t.Errorf("%#x", n)
	}
	seen := map[uint32]int{}
	for i := range 100_000 {
		e := work(int64(i), "", 0, "", strings.Repeat("x", i%7)+hex([]byte{byte(i), byte(i >> 8), byte(i >> 16)}))
		seen[e.bucket()]++
	}
	if len(seen) < 94_000 { // of 1,048,576, by chance 95,300
		t.Errorf("100,000 flows are in %d buckets", len(seen))
	}
}

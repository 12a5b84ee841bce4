package inbound

import (
	"strings"
	"testing"
)

func TestUsersWriteAsThemselves(t *testing.T) {
	for _, c := range []struct{ from, header, want string }{
		{"u@example.org", "From: u@example.org\r\n", "250"},
		{"u@EXAMPLE.org", "From: u@example.org\r\n", "250"},
		{"u.sales@example.org", "From: u@example.org, u.two@example.org\r\n", "250"},
		{"boss@example.org", "From: u@example.org\r\n", "550 5.7.1 You may not send from this address: boss@example.org (see 01"},
		{"trouble@example.org", "From: u@example.org\r\n", "451 4.3.0 Local error"},
		{"u@example.org", "From: boss@example.org\r\n", "550 5.7.1 You may not send with this address in From: boss@example.org (see 01"},
		{"u@example.org", "From: u@other.test\r\n", "550 5.7.1 You may not send with this address in From: u@other.test"},
		{"u@example.org", "From: trouble@example.org\r\n", "451 4.3.0 Local error"},
		{"u@example.org", "From: U <u@example.org>, boss@example.org\r\n", "550 5.7.1 You may not send with"},
		{"u@example.org", "From: u@example.org\r\nFrom: boss@example.org\r\n", "550 5.7.1 You may not send with"},
		{"u@example.org", "From: boss@example.org\r\nSender: u@example.org\r\n", "550 5.7.1"},
		{"u@example.org", "From: u@example.org <boss@example.org>\r\n", "550 5.7.1"},
		{"u@example.org", "From: u@example.org <boss@example.org\r\n", "550 5.6.0 The From field"},
		{"u@example.org", "From: nobody:;\r\n", "550 5.6.0"},
		{"u@example.org", "From: " + strings.Repeat("u@example.org, ", 10) + "u@example.org\r\n", "550 5.6.0 The From field of the message has too many"},
		{"u@example.org", "Subject: x\r\n", "250"}, // From is added
		{"u@example.org", "From: u@example.org\r\nSender: u.two@example.org\r\n", "250"},
		{"u@example.org", "From: u@example.org\r\nSender: boss@example.org\r\n", "550 5.7.1 You may not send with this address in Sender: boss@example.org (see 01"},
		{"u@example.org", "From: u@example.org\r\nSender: u@example.org\r\nSender: boss@example.org\r\n", "550 5.7.1 You may not send with this address in Sender"},
		{"u@example.org", "From: u@example.org\r\nSender: u@example.org boss@example.org\r\n", "550 5.7.1 You may not send with this address in Sender"},
		{"u@example.org", "From: u@example.org\r\nSender: trouble@example.org\r\n", "451 4.3.0 Local error"},
		{"", "From: u@example.org\r\n", "550 5.7.1 Mail without a sender"},
		{"", "From: u@example.org\r\nAuto-Submitted: no\r\n", "550 5.7.1 Mail without a sender"},
		{"", "From: u@example.org\r\nAuto-Submitted: auto-replied; x=y\r\n", "250"},
		{"", "From: u@example.org\r\nContent-Type: Multipart/Report; report-type=disposition-notification\r\n", "250"},
		{"", "From: boss@example.org\r\nAuto-Submitted: auto-replied\r\n", "550 5.7.1 You may not"},
		{"", "Auto-Submitted: auto-replied\r\n", "550 5.6.0 The message has no From"},
	} {
		e, q := newSubmission(t)
		got := last(e.submit(user, c.from, c.header+"Subject: x\r\n\r\nx\r\n", "x@else.test"))
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("<%s>, %q: %s; want %s", c.from, c.header, got, c.want)
		}
		if sent := q.sent() != ""; sent != (c.want == "250") {
			t.Errorf("<%s>, %q: sent %v", c.from, c.header, sent)
		}
	}
}

// TestFromOfOthersWithSender: a secretary, where that is allowed.
func TestFromOfOthersWithSender(t *testing.T) {
	for _, c := range []struct{ header, want, sender string }{
		{"From: boss@example.org\r\n", "250", "Sender: <u@example.org>\r\n"},
		{"From: boss@example.org\r\nSender: u.two@example.org\r\n", "250", ""},
		{"From: boss@example.org\r\nSender: boss@example.org\r\n", "550 5.7.1", ""},
		{"From: boss@example.org\r\nSender: u@example.org, u@example.org\r\n", "550 5.7.1", ""},
		{"From: boss@example.org\r\nSender: u@example.org\r\nSender: boss@example.org\r\n", "550 5.7.1", ""},
		{"From: u@example.org\r\n", "250", ""},
	} {
		e, q := newSubmission(t)
		e.also(func(o *Options) { o.Submission.CheckFrom = CheckFromSender })
		got := last(e.submit(user, "u@example.org", c.header+"\r\nx\r\n", "x@else.test"))
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%q: %s", c.header, got)
		}
		if c.want == "250" && (strings.Count(q.texts[0], "Sender: <u@") != min(len(c.sender), 1)) {
			t.Errorf("%q: %s", c.header, q.texts[0])
		}
	}
	e, _ := newSubmission(t)
	e.also(func(o *Options) { o.Submission.CheckFrom = CheckFromAny })
	if got := last(e.submit(user, "u@example.org", "From: a@b.test\r\n\r\nx\r\n", "x@else.test")); got[:3] != "250" {
		t.Error(got)
	}
}

// TestMachinesWriteAsTheyWill: networks.relay, without login.
func TestMachinesWriteAsTheyWill(t *testing.T) {
	e, q := newSubmission(t)
	for _, from := range []string{"root@machine.test", ""} {
		if got := last(e.submit(machine, from, "Subject: cron\r\n\r\nx\r\n", "x@else.test")); got[:3] != "250" {
			t.Error(got)
		}
	}
	if len(q.copies) != 2 || q.copies[0].User != "" || !strings.Contains(q.texts[0], "From: <root@machine.test>\r\n") || strings.Contains(q.texts[1], "\r\nFrom:") {
		t.Errorf("%q", q.texts)
	}
}

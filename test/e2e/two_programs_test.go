package e2e_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestTwoProgramsSeeEachOther: what one does, the other in IDLE is told within
// a second; what comes by LMTP and goes by POP3, too.
func TestTwoProgramsSeeEachOther(t *testing.T) {
	t.Parallel()
	b := startKeeper(t, "", "ann").boxOf(t, "ann")
	var took map[string]float64 // seconds
	out := b.python(idleScript)
	if err := json.Unmarshal([]byte(out), &took); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var names []string
	for name, s := range took {
		names = append(names, fmt.Sprintf("%s %.1f ms", name, s*1000))
		if d := time.Duration(s * float64(time.Second)); d > time.Second {
			t.Errorf("%s was told after %s", name, d)
		}
	}
	if len(took) != 10 {
		t.Errorf("%d changes", len(took))
	}
	slices.Sort(names)
	t.Log("from the beginning of the command until the other has been told: " + strings.Join(names, ", "))
}

// idleScript has one session in IDLE, and measures from the beginning of what
// others do until it is told. Which of two sessions is the first to be told of a
// message, for which it is \Recent, is open. A line that does not come within patience fails
// it.
const idleScript = `import imaplib, json, poplib, smtplib, ssl, time, re
context = ssl.create_default_context(cafile='{ca}')
def login():
    m = imaplib.IMAP4_SSL('localhost', {imaps}, ssl_context=context, timeout=30)
    m.login('{user}', '{pass}')
    return m
msg = b'From: ann@sender.test\r\nTo: {user}\r\nSubject: x\r\n\r\nText.\r\n'
a, b = login(), login()
took = {}
a.select(); b.select()
def idle():
    global tag
    tag = a._new_tag()
    a.send(tag + b' IDLE\r\n')
    assert a.readline().startswith(b'+')
def until(name, pattern, act):
    start = time.monotonic()
    act()
    while True:
        line = a.readline()
        if re.search(pattern, line): break
        assert line.startswith(b'* '), line
    took[name] = time.monotonic() - start
def ok(r): assert r[0] == 'OK', r
idle()
until('append', rb'^\* 1 EXISTS', lambda: ok(b.append('INBOX', None, None, msg)))
def lmtp():
    s = smtplib.LMTP('{lmtp}'); s.sendmail('ann@sender.test', ['{user}'], msg); s.quit()
until('lmtp', rb'^\* 2 EXISTS', lmtp)
def smtp():
    h, p = '{smtp}'.split(':')
    s = smtplib.SMTP(h, int(p), local_hostname='sender.test'); s.sendmail('ann@sender.test', ['{user}'], msg); s.quit()
until('smtp', rb'^\* 3 EXISTS', smtp)
ok(b.noop())
until('flag', rb'^\* 1 FETCH .*\\Flagged', lambda: ok(b.store('1', '+FLAGS', r'\Flagged')))
until('keyword', rb'^\* 2 FETCH .*\$Label1', lambda: ok(b.store('2', '+FLAGS', '$Label1')))
until('unflag', rb'^\* 1 FETCH .*FLAGS \((\\Recent)?\)', lambda: ok(b.store('1', '-FLAGS', r'\Flagged')))
until('move', rb'^\* 1 EXPUNGE', lambda: ok(b.uid('MOVE', '1', 'Archive')))
b.store('1', '+FLAGS', r'\Deleted')
until('expunge', rb'^\* 1 EXPUNGE', lambda: ok(b.expunge()))
b.select('Archive')
until('copy', rb'^\* 2 EXISTS', lambda: ok(b.copy('1', 'INBOX')))
def pop():
    p = poplib.POP3_SSL('localhost', {pop3s}, context=context, timeout=30)
    p.user('{user}'); p.pass_('{pass}'); p.dele(1); p.quit()
until('pop3', rb'^\* 1 EXPUNGE', pop)
# and the other way about, with NOOP
a.send(b'DONE\r\n')
while not a.readline().startswith(tag + b' OK'): pass
b.select()
ok(a.store('1', '+FLAGS', r'\Seen'))
b.response('FETCH'); ok(b.noop())
assert b'\\Seen' in b.response('FETCH')[1][0]
print(json.dumps(took))
`

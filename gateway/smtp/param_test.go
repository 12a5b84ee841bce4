package smtp

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

const allExtensions = ExtSize | Ext8BitMIME | ExtSMTPUTF8 | ExtDSN | ExtAuth | ExtRequireTLS | ExtPRDR |
	ExtPriority | ExtFutureRelease | ExtDeliverBy

func TestMailParameters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		arg  string
		ext  Extension
		want MailParams
		err  string
	}{
		{arg: "FROM:<a@b.example>"},
		{arg: "from:<a@b.example> size=12 body=8bitmime", ext: allExtensions, want: MailParams{Size: 12, Body: Body8BitMIME}},
		{arg: "FROM:<a@b.example>  BODY=7BIT ", ext: allExtensions},
		{arg: "FROM:<a@b.example> SIZE=99999999999999999999", ext: allExtensions, want: MailParams{Size: math.MaxInt64}},
		{arg: "FROM:<a@b.example> SIZE=999999999999999999999", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<a@b.example> SIZE=-1", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<a@b.example> SIZE=", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<a@b.example> SIZE", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<a@b.example> SIZE=1 SIZE=2", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<a@b.example> SIZE=1", err: "555 5.5.4"},
		{arg: "FROM:<a@b.example> BODY=BINARYMIME", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<a@b.example> FOO=1 SIZE=x", ext: allExtensions, err: "555 5.5.4"},
		{arg: "FROM:<a@b.example> SIZE=x FOO=1", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<a@b.example> =1", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<a@b.example> -A=1", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<a@b.example> SIZE=1=2", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<ñ@b.example> SMTPUTF8", ext: allExtensions, want: MailParams{SMTPUTF8: true}},
		{arg: "FROM:<ñ@b.example>", ext: allExtensions, err: "553 5.6.7"},
		{arg: "FROM:<a@b.example> SMTPUTF8=1", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<a@b.example> RET=HDRS ENVID=QQ+2B314159", ext: allExtensions, want: MailParams{Return: ReturnHeaders, EnvelopeID: "QQ+314159"}},
		{arg: "FROM:<a@b.example> RET=full", ext: allExtensions, want: MailParams{Return: ReturnFull}},
		{arg: "FROM:<a@b.example> ENVID=a+0D+0Ab", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<a@b.example> ENVID=a+2", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<a@b.example> ENVID=" + strings.Repeat("x", 101), ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> AUTH=<>", ext: allExtensions, want: MailParams{Auth: &Address{}}},
		{arg: "FROM:<> AUTH=e+3Dmc2@example.com", ext: allExtensions, want: MailParams{Auth: &Address{"e=mc2", "example.com"}}},
		{arg: "FROM:<> AUTH=x", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> REQUIRETLS PRDR", ext: allExtensions, want: MailParams{RequireTLS: true, PRDR: true}},
		{arg: "FROM:<> PRDR", ext: allExtensions &^ ExtPRDR, err: "555 5.5.4"},
		{arg: "FROM:<> MT-PRIORITY=-9", ext: allExtensions, want: MailParams{Priority: -9}},
		{arg: "FROM:<> MT-PRIORITY=0", ext: allExtensions},
		{arg: "FROM:<> MT-PRIORITY=3", ext: allExtensions &^ ExtPriority, err: "555 5.5.4"},
		{arg: "FROM:<> MT-PRIORITY=-0", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> MT-PRIORITY=+1", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> MT-PRIORITY=10", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> MT-PRIORITY", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> HOLDFOR=3600", ext: allExtensions, want: MailParams{HoldFor: time.Hour}},
		{arg: "FROM:<> HOLDFOR=0", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> HOLDFOR=1234567890", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> HOLDFOR=-1", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> HOLDFOR=1", ext: allExtensions &^ ExtFutureRelease, err: "555 5.5.4"},
		{arg: "FROM:<> HOLDUNTIL=2031-05-01T12:00:00z", ext: allExtensions, want: MailParams{HoldUntil: time.Date(2031, 5, 1, 12, 0, 0, 0, time.UTC)}},
		{arg: "FROM:<> HOLDUNTIL=2031-05-01T12:00:00+02:00", ext: allExtensions, want: MailParams{HoldUntil: time.Date(2031, 5, 1, 10, 0, 0, 0, time.UTC)}},
		{arg: "FROM:<> HOLDUNTIL=2031-05-01", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> HOLDUNTIL=2031-02-30T12:00:00Z", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> HOLDUNTIL=2031-05-01T12:00:00." + strings.Repeat("0", 40) + "Z", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> HOLDFOR=1 HOLDUNTIL=2031-05-01T12:00:00Z", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> BY=120;R", ext: allExtensions, want: MailParams{DeliverBy: DeliverBy{Within: 2 * time.Minute, Return: true, Set: true}}},
		{arg: "FROM:<> BY=-98;nt", ext: allExtensions, want: MailParams{DeliverBy: DeliverBy{Within: -98 * time.Second, Trace: true, Set: true}}},
		{arg: "FROM:<> BY=+0;N", ext: allExtensions, want: MailParams{DeliverBy: DeliverBy{Set: true}}},
		{arg: "FROM:<> BY=0;R", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> BY=-1;R", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> BY=-+1;N", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> BY=1;X", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> BY=1", ext: allExtensions, err: "501 5.5.4"},
		{arg: "FROM:<> BY=1;N", ext: allExtensions &^ ExtDeliverBy, err: "555 5.5.4"},
		{arg: "FROM <a@b.example>", err: "501 5.5.4"},
		{arg: "LALA:<>", err: "501 5.5.4"},
		{arg: "", err: "501 5.5.4"},
	} {
		_, got, err := ParseMail(c.arg, 0, c.ext)
		if c.err != "" {
			if r, ok := AsReply(err); !ok || !strings.HasPrefix(r.Error(), c.err) {
				t.Errorf("%s: %v, want %s", c.arg, err, c.err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v", c.arg, got, err)
		}
	}
}

func TestRcptParameters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		arg  string
		syn  Syntax
		want RcptParams
		err  string
	}{
		{arg: "TO:<a@b.example>"},
		{arg: "TO:<a@b.example> NOTIFY=never", want: RcptParams{Notify: NotifyNever}},
		{arg: "TO:<a@b.example> NOTIFY=SUCCESS,FAILURE,DELAY", want: RcptParams{Notify: NotifySuccess | NotifyFailure | NotifyDelay}},
		{arg: "TO:<a@b.example> NOTIFY=NEVER,DELAY", err: "501 5.5.4"},
		{arg: "TO:<a@b.example> NOTIFY=DELAY,", err: "501 5.5.4"},
		{arg: "TO:<a@b.example> NOTIFY", err: "501 5.5.4"},
		{arg: "TO:<a@b.example> ORCPT=rfc822;Bob+2Bx@b.example", want: RcptParams{OriginalType: "rfc822", OriginalAddress: "Bob+x@b.example"}},
		{arg: "TO:<a@b.example> ORCPT=rfc822;", err: "501 5.5.4"},
		{arg: "TO:<a@b.example> ORCPT=a@b.example", err: "501 5.5.4"},
		{arg: `TO:<a@b.example> ORCPT=utf-8;\x{F1}\x{2B}@b.example`, want: RcptParams{OriginalType: "utf-8", OriginalAddress: "ñ+@b.example"}},
		{arg: `TO:<a@b.example> ORCPT=utf-8;\x{0A}@b.example`, err: "501 5.5.4"},
		{arg: `TO:<a@b.example> ORCPT=utf-8;\x{D800}@b.example`, err: "501 5.5.4"},
		{arg: `TO:<a@b.example> ORCPT=utf-8;ñ@b.example`, err: "501 5.5.4"},
		{arg: `TO:<a@b.example> ORCPT=utf-8;ñ@b.example`, syn: UTF8, want: RcptParams{OriginalType: "utf-8", OriginalAddress: "ñ@b.example"}},
		{arg: "TO:<a@b.example> ORCPT=rfc822;" + strings.Repeat("x", 500), err: "501 5.5.4"},
		{arg: "TO:<a@b.example> NOTIFY=NEVER NOTIFY=NEVER", err: "501 5.5.4"},
		{arg: "TO:<a@b.example> SIZE=1", err: "555 5.5.4"},
		{arg: "TO:<ñ@b.example>", err: "553 5.6.7"},
	} {
		_, got, err := ParseRcpt(c.arg, c.syn, allExtensions)
		if c.err != "" {
			if r, ok := AsReply(err); !ok || !strings.HasPrefix(r.Error(), c.err) {
				t.Errorf("%s: %v, want %s", c.arg, err, c.err)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", c.arg, got, err)
		}
	}
}

func FuzzParams(f *testing.F) {
	f.Add("FROM:<a@b.example> SIZE=1 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=a+20b AUTH=<> REQUIRETLS PRDR", true)
	f.Add("FROM:<> MT-PRIORITY=-3 HOLDFOR=1 BY=-5;NT", true)
	f.Add("FROM:<> HOLDUNTIL=2031-05-01T12:00:00.5+02:00 BY=5;R", true)
	f.Add(`TO:<"a"@b.example> NOTIFY=DELAY ORCPT=utf-8;\x{F1}`, true)
	f.Add("TO:<a@b.example> ORCPT=rfc822;a+2Bb", false)
	f.Fuzz(func(t *testing.T, arg string, utf8 bool) {
		if from, p, err := ParseMail(arg, Lax, allExtensions); err == nil {
			line := string(p.Append(from.AppendPath([]byte("FROM:"))))
			from2, p2, err := ParseMail(line, 0, allExtensions)
			if err != nil || from != from2 || !reflect.DeepEqual(p, p2) {
				t.Fatalf("%q printed as %q: %v", arg, line, err)
			}
		} else if _, ok := AsReply(err); !ok {
			t.Fatal("no reply")
		}
		syn := Syntax(0)
		if utf8 {
			syn = UTF8
		}
		if to, p, err := ParseRcpt(arg, Lax|syn, allExtensions); err == nil {
			line := string(p.Append(to.AppendPath([]byte("TO:"))))
			if len(line) > 1000 {
				return // ORCPT may grow beyond its bound when printed in ASCII
			}
			to2, p2, err := ParseRcpt(line, syn, allExtensions)
			if (err != nil || to != to2 || p != p2) && len(p.OriginalAddress) < 40 {
				t.Fatalf("%q printed as %q: %v", arg, line, err)
			}
		}
	})
}

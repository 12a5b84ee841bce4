package wire

import (
	"crypto/tls"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"google.golang.org/protobuf/proto"
)

// full has every field of the snapshot set, and bytes that are no UTF-8 where
// a client can put them.
func full() *gateway.Transaction {
	bad := "x\xff"
	return &gateway.Transaction{
		ID: "01J",
		Session: &gateway.Session{
			ID: "01H", Listener: "smtp",
			Remote: netip.MustParseAddrPort("[2001:db8::1]:25"), Local: netip.MustParseAddrPort("127.0.0.1:2525"),
			Helo: bad, Extended: true, User: bad, Relay: true, Started: time.Unix(1, 2),
			TLS: &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, CipherSuite: tls.TLS_AES_128_GCM_SHA256, ServerName: bad},
		},
		From: smtp.ReversePath{Address: smtp.Address{Local: bad, Domain: "a.test"}},
		Params: smtp.MailParams{
			Size: 7, Body: smtp.Body8BitMIME, SMTPUTF8: true, RequireTLS: true,
			Return: smtp.ReturnHeaders, EnvelopeID: bad, Auth: &smtp.Address{}, PRDR: true,
			Priority: -3, HoldFor: time.Hour, HoldUntil: time.Unix(5, 6),
			DeliverBy: smtp.DeliverBy{Within: -time.Second, Return: true, Trace: true, Set: true},
		},
		Rcpts: []gateway.Recipient{{
			To:     smtp.ForwardPath{Address: smtp.Address{Local: bad, Domain: bad}},
			Params: smtp.RcptParams{Notify: smtp.NotifyDelay, OriginalType: "rfc822", OriginalAddress: bad},
			Route:  "b.test",
			Facts:  gateway.Facts{}.With(gateway.Fact{Name: "x.y", Value: true}),
		}},
		Size: 12,
		Facts: gateway.Facts{}.With(
			gateway.Fact{Name: "a.s", Value: bad}, gateway.Fact{Name: "a.b", Value: true},
			gateway.Fact{Name: "a.i", Value: int64(-1)}, gateway.Fact{Name: "a.f", Value: 1.5},
			gateway.Fact{Name: "a.l", Value: []string{bad, ""}},
		),
		Now: time.Unix(3, 4),
	}
}

func TestTransactionComesOverWhole(t *testing.T) {
	t.Parallel()
	tx := full()
	w, err := NewTransaction(tx)
	if err != nil {
		t.Fatal(err)
	}
	data, err := proto.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	var back Transaction
	if err := proto.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if got := back.Go(); !reflect.DeepEqual(got, tx) {
		t.Errorf("got  %+v\nwant %+v", got, tx)
	}
}

// Whoever adds a field to the vocabulary decides here whether plugins get it.
func TestEveryFieldOfTheSnapshotIsKnown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v    any
		want int
	}{
		{gateway.Transaction{}, 9},
		{gateway.Session{}, 10},
		{gateway.Recipient{}, 4},
		{smtp.MailParams{}, 12},
		{smtp.DeliverBy{}, 4},
		{smtp.RcptParams{}, 3},
	} {
		if n := reflect.TypeOf(c.v).NumField(); n != c.want {
			t.Errorf("%T has %d fields, package wire carries %d", c.v, n, c.want)
		}
	}
}

func TestEmptySnapshotIsSafeToRead(t *testing.T) {
	t.Parallel()
	tx := (&Transaction{}).Go()
	if tx.Session == nil || tx.Session.Remote.IsValid() || !tx.Now.IsZero() || tx.Params.Auth != nil {
		t.Errorf("%+v", tx)
	}
}

func TestOnlyFactTypesGoOver(t *testing.T) {
	t.Parallel()
	if _, err := NewVerdict(gateway.Verdict{Facts: []gateway.Fact{{Name: "a.b", Value: 1}}}); err == nil {
		t.Error("an int is no fact")
	}
	if _, err := NewFields([]gateway.Field{{Name: "a.b", Default: struct{}{}}}); err == nil {
		t.Error("a struct is no default")
	}
}

package account

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/xdg-go/scram"
)

// converse authenticates a go-sasl client, as SMTP would.
func converse(a *Accounts, p Peer, c sasl.Client) (Identity, error) {
	mech, initial, err := c.Start()
	if err != nil {
		return Identity{}, err
	}
	return a.Authenticate(context.Background(), p, mech, initial, c.Next)
}

func TestGoSASLClients(t *testing.T) {
	t.Parallel()
	a := openWith(t, testOptions())
	for _, c := range []struct {
		client sasl.Client
		want   error
	}{
		{sasl.NewPlainClient("", ana, anaPass), nil},
		{sasl.NewPlainClient(ana, ana, anaPass), nil},
		{sasl.NewPlainClient("", ana, "a wrong password"), ErrCredentials},
		{sasl.NewLoginClient(ana, anaPass), nil},
		{sasl.NewLoginClient(ana, "a wrong password"), ErrCredentials},
		{sasl.NewLoginClient("nobody@example.org", anaPass), ErrCredentials},
		{sasl.NewAnonymousClient("x"), ErrExchange},
		{sasl.NewExternalClient(""), ErrExchange},
		{sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: ana, Token: "x"}), ErrExchange},
	} {
		id, err := converse(a, peer, c.client)
		wantErr(t, err, c.want)
		if c.want == nil && id.User != ana || c.want != nil && id != (Identity{}) {
			t.Errorf("%+v", id)
		}
	}
}

// TestResponsesAfterTheCommand: PLAIN without, LOGIN with an initial response.
func TestResponsesAfterTheCommand(t *testing.T) {
	t.Parallel()
	a := openWith(t, testOptions())
	asked := ""
	answers := map[string]string{"": "\x00" + ana + "\x00" + anaPass, "Username:": ana, "Password:": anaPass}
	ask := func(c []byte) ([]byte, error) {
		asked += "[" + string(c) + "]"
		return []byte(answers[string(c)]), nil
	}
	for _, c := range []struct {
		mech    string
		initial []byte
		asked   string
	}{
		{"PLAIN", nil, "[]"},
		{"plain", []byte("\x00" + ana + "\x00" + anaPass), ""},
		{"LOGIN", nil, "[Username:][Password:]"},
		{"LOGIN", []byte{}, "[Username:][Password:]"},
		{"LOGIN", []byte(ana), "[Password:]"},
	} {
		asked = ""
		_, err := a.Authenticate(context.Background(), peer, c.mech, c.initial, ask)
		wantErr(t, err, nil)
		if asked != c.asked {
			t.Errorf("%s %q: asked %s, want %s", c.mech, c.initial, asked, c.asked)
		}
	}
}

func TestMalformedResponses(t *testing.T) {
	t.Parallel()
	opt := testOptions()
	opt.OAuth = &OAuth{Introspection: "http://127.0.0.1:1/"}
	a := openWith(t, opt)
	before := a.hasher.count.Load()
	for _, c := range []struct{ mech, response string }{
		{"PLAIN", ""},
		{"PLAIN", "ana"},
		{"PLAIN", "\x00ana"},
		{"PLAIN", "\x00\x00pw"},
		{"PLAIN", "\x00ana\x00"},
		{"PLAIN", "\x00ana\x00pw\x00"},
		{"PLAIN", "\x00ana\xff\x00pw"},
		{"PLAIN", "\x00ana\x00" + strings.Repeat("x", maxResponse)},
		{"LOGIN", "a\x00b"},
		{"SCRAM-SHA-256", ""},
		{"SCRAM-SHA-256", "n,,"},
		{"SCRAM-SHA-256", "n,,n=ana"},
		{"SCRAM-SHA-256", "n,,r=x,n=ana"},
		{"SCRAM-SHA-256", "x,,n=ana,r=x"},
		{"SCRAM-SHA-256", "n,a=a=,n=ana,r=x"},
		{"SCRAM-SHA-256", "n,b,n=ana,r=x"},
		{"SCRAM-SHA-256", "n,,m=ext,n=ana,r=x"},
		{"SCRAM-SHA-256", "n,,n=,r=x"},
		{"SCRAM-SHA-256", "n,,n=a=2c,r=x"},
		{"SCRAM-SHA-256", "n,,n=a=,r=x"},
		{"SCRAM-SHA-256", "n,,n=ana,r="},
		{"SCRAM-SHA-256", "n,,n=ana,r=\x7f"},
		{"SCRAM-SHA-256", "n,,n=ana,r=" + strings.Repeat("x", maxNonce+1)},
		{"SCRAM-SHA-256", "p=tls-exporter,,n=ana,r=x"},
		{"SCRAM-SHA-256-PLUS", "p=tls-exporter,,n=ana,r=x"},
		{"CRAM-MD5", ""},
		{"EXTERNAL", ""},
		{"XOAUTH2", "x"},
		{"XOAUTH2", "auth=Bearer x\x01\x01"},
		{"XOAUTH2", "user=a\x01auth=Bearer x\x01"},
		{"XOAUTH2", "user=a\x01auth=Basic x\x01\x01"},
		{"XOAUTH2", "user=a\x01auth=Bearer x\x01auth=Bearer y\x01\x01"},
		{"XOAUTH2", "user=a\x01auth=Bearer x y\x01\x01"},
		{"XOAUTH2", "user=a\x01x\x01auth=Bearer x\x01\x01"},
		{"OAUTHBEARER", "p=tls-exporter,,\x01auth=Bearer x\x01\x01"},
		{"OAUTHBEARER", "n,,auth=Bearer x\x01\x01"},
		{"OAUTHBEARER", "n,,\x01auth=Bearer \x01\x01"},
		{"OAUTHBEARER", ""},
		{"GSSAPI", "x"},
		{"", ""},
	} {
		_, err := a.Authenticate(context.Background(), peer, c.mech, []byte(c.response), noAsk)
		if !errors.Is(err, ErrExchange) {
			t.Errorf("%s %.30q: %v", c.mech, c.response, err)
		}
	}
	if a.hasher.count.Load() != before {
		t.Error("something was derived")
	}
	_, err := a.Authenticate(context.Background(), Peer{Addr: peer.Addr}, "PLAIN", plainResponse("", ana, anaPass), noAsk)
	wantErr(t, err, ErrExchange) // without TLS
}

// TestRFC7677Example runs the exchange of RFC 7677 section 3.
func TestRFC7677Example(t *testing.T) {
	t.Parallel()
	salt, _ := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	v := params{scheme: schemeSCRAM, iterations: 4096, salt: string(salt)}.derive("pencil")
	first, err := parseClientFirst("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
	must(t, err)
	serverFirst := "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	final, err := parseClientFinal("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	must(t, err)
	if first.user != "user" || string(final.binding) != first.gs2.header {
		t.Errorf("%+v, %+v", first, final)
	}
	auth := []byte(first.bare + "," + serverFirst + "," + final.withoutProof)
	if !v.proves(auth, final.proof) {
		t.Error("the proof is refused")
	}
	if got := base64.StdEncoding.EncodeToString(v.signature(auth)); got != "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Errorf("signature %s", got)
	}
	final.proof[0]++
	if v.proves(auth, final.proof) || v.proves(auth, nil) {
		t.Error("a false proof is taken")
	}
}

// scramClient runs a client of xdg-go/scram.
func scramClient(a *Accounts, p Peer, mech string, conv *scram.ClientConversation) (Identity, error) {
	first, err := conv.Step("")
	if err != nil {
		return Identity{}, err
	}
	id, err := a.Authenticate(context.Background(), p, mech, []byte(first), func(c []byte) ([]byte, error) {
		s, err := conv.Step(string(c))
		return []byte(s), err
	})
	if err == nil && !conv.Valid() {
		err = errors.New("the client does not believe the server")
	}
	return id, err
}

func newSCRAM(t *testing.T, user, password, authz string) *scram.Client {
	t.Helper()
	c, err := scram.SHA256.NewClient(user, password, authz)
	must(t, err)
	return c
}

func TestXDGSCRAMClient(t *testing.T) {
	t.Parallel()
	ctx, a := context.Background(), openWith(t, testOptions())
	must(t, a.AddAppPassword(ctx, ana, Credential{Name: "phone"}, "password of the phone"))
	must(t, a.AddUser(ctx, User{Name: "o=x@example.org"}, "p\u00e4ssword with \u00a0space"))
	must(t, a.AddUser(ctx, User{Name: "off@example.org"}, anaPass))
	must(t, a.SetDisabled(ctx, "off@example.org", true))
	for _, c := range []struct {
		user, password, authz, credential string
		want                              error
	}{
		{ana, anaPass, "", "", nil},
		{"Ana@Example.org", anaPass, ana, "", nil},
		{ana, "password of the phone", "", "phone", nil},
		{"o=x@example.org", "pa\u0308ssword with  space", "", "", nil},
		{ana, "a wrong password", "", "", ErrCredentials},
		{ana, anaPass, "o=x@example.org", "", ErrCredentials},
		{"off@example.org", anaPass, "", "", ErrCredentials},
		{"nobody@example.org", anaPass, "", "", ErrCredentials},
	} {
		id, err := scramClient(a, peer, "SCRAM-SHA-256", newSCRAM(t, c.user, c.password, c.authz).NewConversation())
		wantErr(t, err, c.want)
		if id.Credential != c.credential {
			t.Errorf("%+v: %+v", c, id)
		}
	}
	if n := a.hasher.count.Load(); n > 4 { // the passwords that were set
		t.Errorf("SCRAM cost %d derivations", n-4)
	}
}

// TestSCRAMKnowsNobody: what the server says first is the same for users and
// others, again and again.
func TestSCRAMKnowsNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := func(a *Accounts, user string) (salt string) {
		a.Authenticate(context.Background(), peer, "SCRAM-SHA-256", []byte("n,,n="+user+",r=abc"), func(c []byte) ([]byte, error) {
			f := strings.Split(string(c), ",")
			if len(f) != 3 || !strings.HasPrefix(f[0], "r=abc") || f[2] != "i=15000" || len(f[1]) != 26 {
				t.Errorf("%s: %s", user, c)
			}
			salt = f[1]
			return nil, errors.New("enough")
		})
		return salt
	}
	db := openDB(t, dir)
	a, err := Open(context.Background(), testOptions(), Deps{DB: db})
	must(t, err)
	must(t, a.AddUser(context.Background(), User{Name: ana}, anaPass))
	must(t, a.AddUser(context.Background(), User{Name: "zoe@example.org"}, ""))
	salts := map[string]bool{}
	names := []string{ana, "zoe@example.org", "nobody@example.org", "somebody@example.org", "no-address"}
	for _, n := range names {
		salts[first(a, n)] = true
	}
	if len(salts) != len(names) {
		t.Errorf("%d salts", len(salts))
	}
	must(t, db.Close())
	b, err := Open(context.Background(), testOptions(), Deps{DB: openDB(t, dir)})
	must(t, err)
	for _, n := range names {
		if !salts[first(b, n)] {
			t.Errorf("%s has another salt after a restart", n)
		}
	}
	if first(b, "Nobody@EXAMPLE.org") != first(b, "nobody@example.org") {
		t.Error("case tells")
	}
}

// connect makes a TLS connection and returns both ends' states.
func connect(t *testing.T, version uint16, client *tls.Certificate) (server, clientState tls.ConnectionState, cert []byte) {
	t.Helper()
	pair := selfSigned(t, "mx.example.org", nil)
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}, MaxVersion: version, ClientAuth: tls.RequestClientCert}
	ccfg := &tls.Config{InsecureSkipVerify: true, MaxVersion: version}
	if client != nil {
		ccfg.Certificates = []tls.Certificate{*client}
	}
	x, y := net.Pipe()
	s, c := tls.Server(x, cfg), tls.Client(y, ccfg)
	done := make(chan error, 1)
	go func() {
		_, err := s.Read(make([]byte, 1)) // tickets and all are sent
		done <- err
	}()
	must(t, c.Handshake())
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	must(t, <-done)
	t.Cleanup(func() { x.Close(); y.Close() })
	return s.ConnectionState(), c.ConnectionState(), pair.Certificate[0]
}

func selfSigned(t *testing.T, name string, emails []string) tls.Certificate {
	t.Helper()
	return signedBy(t, name, emails, nil, nil)
}

// signedBy makes a certificate; without a CA one that signs itself.
func signedBy(t *testing.T, name string, emails []string, ca *x509.Certificate, caKey *ecdsa.PrivateKey) tls.Certificate {
	t.Helper()
	return issued(t, ca, caKey, &x509.Certificate{Subject: pkix.Name{CommonName: name}, EmailAddresses: emails})
}

// issued fills tmpl; without a CA it signs itself.
func issued(t *testing.T, ca *x509.Certificate, caKey *ecdsa.PrivateKey, tmpl *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	tmpl.SerialNumber, tmpl.NotBefore = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour)
	if tmpl.NotAfter.IsZero() {
		tmpl.NotAfter = time.Now().Add(time.Hour)
	}
	if tmpl.ExtKeyUsage == nil {
		tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	if ca == nil {
		tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.KeyUsage = true, true, x509.KeyUsageCertSign
		ca, caKey = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca, &key.PublicKey, caKey)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func TestChannelBinding(t *testing.T) {
	t.Parallel()
	a := openWith(t, testOptions())
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server, client, cert := connect(t, version, nil)
		p := peer
		p.TLS, p.Certificate = &server, cert
		if got := a.Mechanisms(p); got[0] != "SCRAM-SHA-256-PLUS" || got[1] != "SCRAM-SHA-256" {
			t.Errorf("%v", got)
		}
		other, otherClient, _ := connect(t, version, nil)
		_ = other
		var bindings []scram.ChannelBinding
		exporter, err := scram.NewTLSExporterBinding(&client)
		must(t, err)
		end, err := scram.NewTLSServerEndpointBinding(&client)
		must(t, err)
		bindings = append(bindings, exporter, end)
		if version == tls.VersionTLS12 {
			bindings = append(bindings, scram.NewTLSUniqueBinding(client.TLSUnique))
		}
		for _, b := range bindings {
			_, err := scramClient(a, p, "SCRAM-SHA-256-PLUS", newSCRAM(t, ana, anaPass, "").NewConversationWithChannelBinding(b))
			if err != nil {
				t.Errorf("%x %s: %v", version, b.Type, err)
			}
		}
		// The client is connected to somebody else.
		wrong, err := scram.NewTLSExporterBinding(&otherClient)
		must(t, err)
		_, err = scramClient(a, p, "SCRAM-SHA-256-PLUS", newSCRAM(t, ana, anaPass, "").NewConversationWithChannelBinding(wrong))
		wantErr(t, err, ErrCredentials)
		// Somebody took -PLUS out of what we offer.
		_, err = a.Authenticate(context.Background(), p, "SCRAM-SHA-256", []byte("y,,n=ana@example.org,r=abc"), noAsk)
		wantErr(t, err, ErrCredentials)
		// Not bound, and bound under the wrong name.
		_, err = scramClient(a, p, "SCRAM-SHA-256-PLUS", newSCRAM(t, ana, anaPass, "").NewConversation())
		wantErr(t, err, ErrExchange)
		_, err = scramClient(a, p, "SCRAM-SHA-256", newSCRAM(t, ana, anaPass, "").NewConversationWithChannelBinding(exporter))
		wantErr(t, err, ErrExchange)
		_, err = a.Authenticate(context.Background(), p, "SCRAM-SHA-256-PLUS", []byte("p=tls-unknown,,n=ana@example.org,r=abc"), noAsk)
		wantErr(t, err, ErrExchange)
	}
	if got := a.Mechanisms(peer); got[0] != "SCRAM-SHA-256" {
		t.Errorf("without a handshake %v", got)
	}
	_, err := scramClient(a, peer, "SCRAM-SHA-256", newSCRAM(t, ana, anaPass, "").NewConversation())
	wantErr(t, err, nil)
}

// TestSCRAMBindsTheHeader: a client that says y where nothing can be bound is
// let in, unless the header it confirms is another.
func TestSCRAMBindsTheHeader(t *testing.T) {
	t.Parallel()
	a := openWith(t, testOptions())
	list, err := a.Credentials(context.Background(), ana)
	must(t, err)
	v := list[0].v
	salted := v.params.derive(anaPass)
	run := func(header, confirmed string) error {
		bare := "n=" + ana + ",r=abc"
		_, err := a.Authenticate(context.Background(), peer, "SCRAM-SHA-256", []byte(header+bare), func(c []byte) ([]byte, error) {
			if bytes.HasPrefix(c, []byte("v=")) {
				return nil, nil
			}
			nonce, _, _ := strings.Cut(string(c), ",")
			without := "c=" + base64.StdEncoding.EncodeToString([]byte(confirmed)) + "," + nonce
			return []byte(without + ",p=" + proofOf(t, salted, anaPass, bare+","+string(c)+","+without)), nil
		})
		return err
	}
	wantErr(t, run("n,,", "n,,"), nil)
	wantErr(t, run("y,,", "y,,"), nil)
	wantErr(t, run("y,,", "n,,"), ErrCredentials)
	wantErr(t, run("n,,", "n,a="+ana+","), ErrCredentials)
	_, err = a.Authenticate(context.Background(), peer, "SCRAM-SHA-256", []byte("n,,n="+ana+",r=abc"), func(c []byte) ([]byte, error) {
		return []byte("c=biws,r=abc,p=AAAA"), nil
	})
	wantErr(t, err, ErrExchange) // another nonce
}

// proofOf computes a ClientProof.
func proofOf(t *testing.T, v verifier, password, authMessage string) string {
	t.Helper()
	c, err := scram.SHA256.NewClient("x", password, "")
	must(t, err)
	stored, err := c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: v.salt, Iters: v.iterations})
	must(t, err)
	if !bytes.Equal(stored.StoredKey, v.stored[:]) || !bytes.Equal(stored.ServerKey, v.server[:]) {
		t.Error("xdg-go/scram derives other keys")
	}
	key := clientKey(v.params, password)
	sig := mac(v.stored[:], []byte(authMessage))
	for i := range key {
		key[i] ^= sig[i]
	}
	return base64.StdEncoding.EncodeToString(key)
}

func TestCancelledExchanges(t *testing.T) {
	t.Parallel()
	a := openWith(t, testOptions())
	for _, mech := range []string{"PLAIN", "LOGIN", "SCRAM-SHA-256"} {
		_, err := a.Authenticate(context.Background(), peer, mech, nil, noAsk)
		wantErr(t, err, ErrExchange)
		ctx, cancel := context.WithCancel(context.Background())
		_, err = a.Authenticate(ctx, peer, mech, nil, func([]byte) ([]byte, error) { cancel(); return nil, errors.New("gone") })
		wantErr(t, err, context.Canceled)
	}
	_, err := a.Authenticate(context.Background(), peer, "LOGIN", []byte(ana), func([]byte) ([]byte, error) { return nil, fmt.Errorf("no") })
	wantErr(t, err, ErrExchange)
}

func clientKey(p params, password string) []byte {
	salted, _ := pbkdf2.Key(sha256.New, password, []byte(p.salt), p.iterations, keySize)
	return mac(salted, []byte("Client Key"))
}

// TestNoPasswordStandsForAnother: one that cannot be is not even that which is
// derived in its place.
func TestNoPasswordStandsForAnother(t *testing.T) {
	t.Parallel()
	ctx, a := context.Background(), openWith(t, testOptions())
	must(t, a.AddUser(ctx, User{Name: "dash@example.org"}, "-"))
	if _, err := plain(a, peer, "dash@example.org", "-"); err != nil {
		t.Fatal(err)
	}
	_, err := plain(a, peer, "dash@example.org", "not\x07possible")
	wantErr(t, err, ErrCredentials)
}

func TestDecodeResponse(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "=": "!", "AGE=": "\x00a", "AGE": "!", "AGF=": "!", "AG\nE=": "!", "A GE=": "!", "AGE==": "!"} {
		b, err := DecodeResponse([]byte(in), false)
		if (err != nil) != (want == "!") || err == nil && string(b) != want || err != nil && !errors.Is(err, ErrExchange) {
			t.Errorf("%q: %q, %v", in, b, err)
		}
	}
	if b, err := DecodeResponse([]byte("="), true); err != nil || b == nil || len(b) != 0 {
		t.Error(b, err)
	}
}

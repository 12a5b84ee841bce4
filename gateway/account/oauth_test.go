package account

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// issuer is an OAuth server.
type issuer struct {
	*httptest.Server
	mu      sync.Mutex
	keys    []jose.JSONWebKey
	status  int
	fetches atomic.Int64
	answers map[string]string // introspection, by token
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{status: http.StatusOK, answers: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		i.fetches.Add(1)
		i.mu.Lock()
		defer i.mu.Unlock()
		w.WriteHeader(i.status)
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: i.keys})
	})
	mux.HandleFunc("POST /introspect", func(w http.ResponseWriter, r *http.Request) {
		i.fetches.Add(1)
		i.mu.Lock()
		defer i.mu.Unlock()
		if id, secret, ok := r.BasicAuth(); !ok || id != "gapura" || secret != "a+b%26" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(i.status)
		fmt.Fprint(w, i.answers[r.FormValue("token")])
	})
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) })
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

func (i *issuer) publish(status int, keys ...jose.JSONWebKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys, i.status = keys, status
}

func (i *issuer) options() *OAuth {
	return &OAuth{Issuer: "https://idp.example.org", Audience: []string{"mail"}, JWKS: i.URL + "/keys"}
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func public(kid string, key crypto.PublicKey) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key, KeyID: kid, Use: "sig"}
}

// sign makes a JWT; change alters the claims of one that is good.
func sign(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string, change map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", kid))
	must(t, err)
	claims := map[string]any{
		"iss": "https://idp.example.org", "aud": []string{"web", "mail"}, "exp": time.Now().Add(time.Hour).Unix(),
		"sub": "4711", "email": "Ana@example.org", "scope": "openid mail.send",
	}
	maps.Copy(claims, change)
	for k, v := range claims {
		if v == nil {
			delete(claims, k)
		}
	}
	token, err := jwt.Signed(s).Claims(claims).Serialize()
	must(t, err)
	return token
}

func withOAuth(t *testing.T, o *OAuth) *Accounts {
	t.Helper()
	opt := testOptions()
	opt.Throttle.Ban = 1000
	opt.OAuth = o
	return openWith(t, opt)
}

func bearerLogin(a *Accounts, user, token string) (Identity, error) {
	return converse(a, peer, sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: user, Token: token, Host: "mx.example.org", Port: 587}))
}

func xoauth2Login(a *Accounts, user, token string) (Identity, error) {
	return a.Authenticate(context.Background(), peer, "XOAUTH2", []byte("user="+user+"\x01auth=Bearer "+token+"\x01\x01"), func(c []byte) ([]byte, error) {
		if !json.Valid(c) {
			return nil, fmt.Errorf("%q is no JSON", c)
		}
		return []byte{}, nil
	})
}

func TestJWTs(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	edPub, ed, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	enc := public("enc", &ec.PublicKey)
	enc.Use = "enc"
	i.publish(200, public("r", &rsaKey().PublicKey), public("e", &ec.PublicKey), public("d", edPub), public("s", &small.PublicKey), enc)
	a := withOAuth(t, i.options())
	must(t, a.AddUser(context.Background(), User{Name: "off@example.org"}, ""))
	must(t, a.SetDisabled(context.Background(), "off@example.org", true))
	ok := func(name, token string) {
		t.Helper()
		for _, login := range []func(*Accounts, string, string) (Identity, error){bearerLogin, xoauth2Login} {
			if id, err := login(a, ana, token); err != nil || id.User != ana {
				t.Errorf("%s: %+v, %v", name, id, err)
			}
		}
	}
	no := func(name, token string) {
		t.Helper()
		for _, login := range []func(*Accounts, string, string) (Identity, error){bearerLogin, xoauth2Login} {
			a.set.Load().oauth.keys.age(keyRefresh) // an unknown key is not waited for
			if id, err := login(a, ana, token); !errorIs(err, ErrCredentials) {
				t.Errorf("%s: %+v, %v", name, id, err)
			}
		}
	}
	R := func(change map[string]any) string { return sign(t, jose.RS256, rsaKey(), "r", change) }
	ok("RS256", R(nil))
	ok("PS256", sign(t, jose.PS256, rsaKey(), "r", nil))
	ok("ES256", sign(t, jose.ES256, ec, "e", nil))
	ok("EdDSA", sign(t, jose.EdDSA, ed, "d", nil))
	ok("no kid", sign(t, jose.RS256, rsaKey(), "", nil))
	ok("one audience", R(map[string]any{"aud": "mail"}))
	ok("verified", R(map[string]any{"email_verified": true}))
	ok("just expired", R(map[string]any{"exp": time.Now().Add(-10 * time.Second).Unix()}))

	no("expired", R(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}))
	no("never expires", R(map[string]any{"exp": nil}))
	no("not yet", R(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}))
	no("another issuer", R(map[string]any{"iss": "https://idp.example.org.evil.example"}))
	no("no issuer", R(map[string]any{"iss": nil}))
	no("another audience", R(map[string]any{"aud": "web"}))
	no("no audience", R(map[string]any{"aud": nil}))
	no("no address", R(map[string]any{"email": nil}))
	no("unverified", R(map[string]any{"email_verified": false}))
	no("another user", R(map[string]any{"email": "nobody@example.org"}))
	no("a disabled user", R(map[string]any{"email": "off@example.org"}))
	no("an address that is a list", R(map[string]any{"email": []string{ana}}))
	no("RS384, not allowed", sign(t, jose.RS384, rsaKey(), "r", nil))
	no("a small key", sign(t, jose.RS256, small, "s", nil))
	no("a key for encryption", sign(t, jose.ES256, ec, "enc", nil))
	no("a key that is another's", sign(t, jose.RS256, rsaKey(), "e", nil))
	no("an unknown key", sign(t, jose.RS256, rsaKey(), "x", nil))
	good := strings.Split(R(nil), ".")
	no("no signature", good[0]+"."+good[1]+".")
	b64 := base64.RawURLEncoding.EncodeToString
	no("alg none", b64([]byte(`{"alg":"none","kid":"r"}`))+"."+good[1]+".")
	// The public key as the secret of an HMAC.
	der, _ := x509.MarshalPKIXPublicKey(&rsaKey().PublicKey)
	for _, secret := range [][]byte{der, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})} {
		head := b64([]byte(`{"alg":"HS256","kid":"r"}`)) + "." + good[1]
		m := hmac.New(sha256.New, secret)
		m.Write([]byte(head))
		no("HS256", head+"."+b64(m.Sum(nil)))
	}
	evil, _ := rsa.GenerateKey(rand.Reader, 2048)
	no("another's signature", sign(t, jose.RS256, evil, "r", nil))
	// A header that brings its own key, or says where it is.
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: evil}, &jose.SignerOptions{EmbedJWK: true})
	must(t, err)
	embedded, err := jwt.Signed(s).Claims(map[string]any{"iss": "https://idp.example.org", "aud": "mail", "exp": time.Now().Add(time.Hour).Unix(), "email": ana}).Serialize()
	must(t, err)
	no("an embedded key", embedded)
	no("other claims", good[0]+"."+b64([]byte(`{"email":"ana@example.org"}`))+"."+good[2])
	no("nonsense", "abc")
	no("dots", "a.b.c.d.e")

	// The name that the client says need not be there, but must be its own.
	if id, err := bearerLogin(a, "", R(nil)); err != nil || id.User != ana {
		t.Errorf("%+v, %v", id, err)
	}
	must(t, a.AddUser(context.Background(), User{Name: "bob@example.org"}, ""))
	_, err = bearerLogin(a, "bob@example.org", R(nil))
	wantErr(t, err, ErrCredentials)
}

// TestKeysRotate: an unknown key is looked for, once a minute at most; an
// issuer that is away keeps nobody out whose key is known.
// age is what time does.
func (s *keySet) age(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried, s.fetched = s.tried.Add(-d), s.fetched.Add(-d)
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	a := withOAuth(t, i.options())
	keys := a.set.Load().oauth.keys
	second, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	old, fresh := sign(t, jose.RS256, rsaKey(), "1", nil), sign(t, jose.RS256, second, "2", nil)
	login := func(token string, want error) {
		t.Helper()
		_, err := bearerLogin(a, ana, token)
		wantErr(t, err, want)
	}
	i.publish(500)
	login(old, ErrTemporary)
	login(old, ErrTemporary) // not asked again at once
	if n := i.fetches.Load(); n != 1 {
		t.Errorf("%d fetches", n)
	}
	i.publish(200, public("1", &rsaKey().PublicKey))
	keys.age(keyRefresh)
	login(old, nil)
	login(old, nil)
	keys.age(keyRefresh)
	login(fresh, ErrCredentials)
	if n := i.fetches.Load(); n != 3 {
		t.Errorf("%d fetches", n)
	}
	i.publish(200, public("2", &second.PublicKey))
	keys.age(keyRefresh)
	login(old, nil) // until somebody asks
	login(fresh, nil)
	keys.age(keyRefresh)
	login(old, ErrCredentials)
	i.publish(500)
	keys.age(2 * time.Hour)
	login(fresh, nil)
	keys.age(keyStale)
	login(fresh, ErrTemporary)
	if n := i.fetches.Load(); n != 7 {
		t.Errorf("%d fetches", n)
	}
	o := i.options()
	o.JWKS = i.URL + "/elsewhere"
	i.publish(200, public("1", &rsaKey().PublicKey))
	a = withOAuth(t, o)
	login2 := func(want error) { _, err := bearerLogin(a, ana, old); wantErr(t, err, want) }
	login2(ErrTemporary) // redirects are not followed
}

// roundTrip answers without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A token may have a key that the issuer made right after its keys were
// fetched: it is not refused, it waits. However many ask, they are fetched once
// every few seconds.
func TestKeyMadeAMomentAgo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fetches, published := 0, []jose.JSONWebKey{public("1", &rsaKey().PublicKey)}
		keys := newKeySet("https://idp.example.org/keys", &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			fetches++
			b, err := json.Marshal(jose.JSONWebKeySet{Keys: published})
			return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(b))}, err
		})}, time.Hour)
		find := func(kid string, want error, wait time.Duration) {
			start := time.Now()
			_, err := keys.find(t.Context(), kid, "RS256")
			wantErr(t, err, want)
			if d := time.Since(start); d != wait {
				t.Errorf("%s was found, or not, after %v, want %v", kid, d, wait)
			}
		}
		find("1", nil, 0)
		published = append(published, public("2", &rsaKey().PublicKey))
		time.Sleep(time.Second)
		find("1", nil, 0)
		var wg sync.WaitGroup
		for _, kid := range []string{"2", "2", "none", "2"} {
			want := error(nil)
			if kid == "none" {
				want = ErrCredentials
			}
			wg.Go(func() { find(kid, want, keyRefresh-time.Second) })
		}
		wg.Wait()
		find("none", ErrCredentials, keyRefresh)
		if fetches != 3 {
			t.Errorf("%d fetches", fetches)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := keys.find(ctx, "none", "RS256"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who went away got %v", err)
		}
		keys.ttl = 0 // what is not to be remembered is not waited for either
		find("1", nil, 0)
	})
}

func TestIntrospection(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	exp := time.Now().Add(time.Hour).Unix()
	i.answers = map[string]string{
		"good":    fmt.Sprintf(`{"active":true,"username":"ana@example.org","aud":"mail","exp":%d,"scope":"mail.send x"}`, exp),
		"dead":    `{"active":false}`,
		"text":    `{"active":"true","username":"ana@example.org","aud":"mail","scope":"mail.send"}`,
		"nobody":  `{"active":true,"aud":"mail","scope":"mail.send"}`,
		"other":   `{"active":true,"username":"ana@example.org","aud":"web","scope":"mail.send"}`,
		"scope":   `{"active":true,"username":"ana@example.org","aud":"mail","scope":"mail.sendx"}`,
		"scp":     `{"active":true,"username":"ana@example.org","aud":"mail","scp":["x","mail.send"]}`,
		"issuer":  `{"active":true,"username":"ana@example.org","aud":"mail","iss":"https://evil.example","scope":"mail.send"}`,
		"expired": fmt.Sprintf(`{"active":true,"username":"ana@example.org","aud":"mail","exp":%d,"scope":"mail.send"}`, exp-7200),
		"broken":  `{"active":true`,
		"huge":    `{"active":true,"username":"` + strings.Repeat("a", maxOAuthAnswer) + `"}`,
	}
	a := withOAuth(t, &OAuth{
		Introspection: i.URL + "/introspect", ClientID: "gapura", ClientSecret: "a b&", Claim: "username",
		Issuer: "https://idp.example.org", Audience: []string{"mail"}, Scope: "mail.send",
	})
	for token, want := range map[string]error{
		"good": nil, "dead": ErrCredentials, "text": ErrCredentials, "nobody": ErrCredentials, "other": ErrCredentials, "scope": ErrCredentials,
		"issuer": ErrCredentials, "expired": ErrCredentials, "scp": nil, "broken": ErrTemporary, "huge": ErrTemporary, "": ErrExchange,
	} {
		_, err := xoauth2Login(a, ana, token)
		if !errorIs(err, want) {
			t.Errorf("%s: %v", token, err)
		}
	}
	before := i.fetches.Load()
	for range 5 {
		_, err := bearerLogin(a, ana, "good")
		wantErr(t, err, nil)
	}
	if n := i.fetches.Load() - before; n != 0 {
		t.Errorf("a remembered token is asked about %d times", n)
	}
	// Nothing is remembered for longer than the token lasts.
	answer := func(s string) {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.answers["short"] = s
	}
	answer(fmt.Sprintf(`{"active":true,"username":"ana@example.org","aud":"mail","exp":%d,"scope":"mail.send"}`, time.Now().Unix()))
	_, err := xoauth2Login(a, ana, "short") // by the leeway
	wantErr(t, err, nil)
	answer(`{"active":false}`)
	_, err = xoauth2Login(a, ana, "short")
	wantErr(t, err, ErrCredentials)
	i.mu.Lock()
	i.status = 503
	i.mu.Unlock()
	_, err = bearerLogin(a, ana, "dead")
	wantErr(t, err, ErrTemporary)
}

// TestOAuthSaysWhatIsWanted: an empty auth asks for it (RFC 7628 section 4.3);
// two tokens are none.
func TestOAuthSaysWhatIsWanted(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	o := i.options()
	o.Scope = "mail.send"
	a := withOAuth(t, o)
	for response, want := range map[string]error{
		"n,,\x01auth=\x01\x01":                    ErrCredentials,
		"n,,\x01auth=\x01auth=Bearer abc\x01\x01": ErrExchange,
		"n,,\x01host=mx.example.org\x01\x01":      ErrExchange,
		"n,,\x01auth=Basic YW5hOnB3\x01\x01":      ErrExchange,
		"n,a=ana@example.org,\x01auth=\x01\x01":   ErrCredentials,
		"n,,\x01auth=Bearer abc.def.ghi\x01\x01":  ErrCredentials,
	} {
		challenge := ""
		_, err := a.Authenticate(context.Background(), peer, "OAUTHBEARER", []byte(response), func(c []byte) ([]byte, error) {
			challenge = string(c)
			return []byte{1}, nil
		})
		wantErr(t, err, want)
		if said := challenge == `{"status":"invalid_token","scope":"mail.send"}`; said != (want == ErrCredentials) {
			t.Errorf("%q: %s", response, challenge)
		}
	}
	if n := i.fetches.Load(); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

// TestAskingIsNoGuess: neither asking what token is wanted (RFC 7628 section
// 3.2.2), giving up, nor a mechanism that is not offered counts.
func TestAskingIsNoGuess(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	opt := testOptions()
	opt.Throttle.Ban, opt.OAuth = 2, i.options()
	a := openWith(t, opt)
	gone := func([]byte) ([]byte, error) { return []byte{1}, nil }
	for range 5 {
		_, err := a.Authenticate(t.Context(), peer, "OAUTHBEARER", []byte("n,a="+ana+",\x01auth=\x01\x01"), gone)
		wantErr(t, err, ErrCredentials)
		_, err = a.Authenticate(t.Context(), peer, "XOAUTH2", []byte("user="+ana+"\x01auth=\x01\x01"), gone)
		wantErr(t, err, ErrCredentials)
		for _, mechanism := range []string{"PLAIN", "LOGIN", "SCRAM-SHA-256", "OAUTHBEARER", "NTLM"} {
			_, err = a.Authenticate(t.Context(), peer, mechanism, nil, noAsk)
			wantErr(t, err, ErrExchange)
		}
	}
	_, err := plain(a, peer, ana, anaPass)
	wantErr(t, err, nil)
	for _, token := range []string{"a.b.c", "d.e.f"} {
		_, err = bearerLogin(a, ana, token)
		wantErr(t, err, ErrCredentials)
	}
	_, err = plain(a, peer, ana, anaPass)
	wantErr(t, err, ErrThrottled)
}

func TestOAuthOptions(t *testing.T) {
	t.Parallel()
	good := OAuth{Issuer: "https://i.example", Audience: []string{"mail"}, JWKS: "https://i.example/keys"}
	must(t, good.Validate())
	for name, change := range map[string]func(*OAuth){
		"http": func(o *OAuth) { o.JWKS = "http://i.example/keys" }, "HS256": func(o *OAuth) { o.Algorithms = []string{"HS256"} },
		"none": func(o *OAuth) { o.Algorithms = []string{"none"} }, "no audience": func(o *OAuth) { o.Audience = nil }, "no issuer": func(o *OAuth) { o.Issuer = "" },
		"both": func(o *OAuth) { o.Introspection = "https://i.example/x" }, "neither": func(o *OAuth) { o.JWKS = "" }, "no URL": func(o *OAuth) { o.JWKS = "keys" },
	} {
		o := good
		change(&o)
		if o.Validate() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

// FuzzSASL: no response makes a mechanism panic, and nobody gets in.
func FuzzSASL(f *testing.F) {
	for _, s := range []string{
		"\x00ana\x00pw", "n,,n=ana,r=abc|c=biws,r=abc,p=AAAA", "y,a=x,n=a=2Cb,r=abc|", "p=tls-exporter,,n=a,r=b|c=eSws,r=b,p=dg==",
		"n,a=ana@example.org,\x01host=x\x01port=1\x01auth=Bearer abc\x01\x01|\x01", "user=ana@example.org\x01auth=Bearer a.b.c\x01\x01|", "|ana|pw", "ana|pw",
	} {
		f.Add([]byte(s))
	}
	opt := testOptions()
	opt.Throttle.Ban, opt.Throttle.Close = 1<<30, 1<<30
	opt.OAuth = &OAuth{Issuer: "https://i.example", Audience: []string{"mail"}, JWKS: "http://127.0.0.1:1/keys"}
	opt.Certificates = &Certificates{Pins: []Pin{{ana, strings.Repeat("00", 32)}}}
	a := openWith(f, opt)
	must(f, a.AddUser(context.Background(), User{Name: "off@example.org"}, "")) // for authorization identities
	p := peer
	p.TLS.HandshakeComplete = false
	f.Fuzz(func(t *testing.T, data []byte) {
		responses := bytes.Split(data, []byte("|"))
		for _, mech := range []string{"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "OAUTHBEARER", "XOAUTH2", "EXTERNAL"} {
			rest := responses[1:]
			ask := func([]byte) ([]byte, error) {
				if len(rest) == 0 {
					return nil, fmt.Errorf("no more")
				}
				r := rest[0]
				rest = rest[1:]
				return r, nil
			}
			// Deriving is for other tests.
			if _, _, pw, err := parsePlain(responses[0]); mech == "PLAIN" && err == nil && pw != "" {
				continue
			}
			if mech == "LOGIN" {
				continue
			}
			id, err := a.Authenticate(context.Background(), p, mech, responses[0], ask)
			if err == nil || id != (Identity{}) {
				t.Errorf("%s: %+v, %v", mech, id, err)
			}
		}
		parseClientFinal(string(data))
		parseBearer(data)
		if m, err := parseClientFirst(string(data)); err == nil && m.gs2.header+m.bare != string(data) {
			t.Errorf("%q is taken apart as %q and %q", data, m.gs2.header, m.bare)
		}
		if v, err := parseVerifier(string(data)); err == nil {
			if w, err := parseVerifier(v.String()); err != nil || w != v {
				t.Errorf("%q: %v, %v", data, w, err)
			}
		}
	})
}

// FuzzJWT: no token panics, and none gets in that the issuer did not sign.
func FuzzJWT(f *testing.F) {
	i := &issuer{}
	o, err := newOAuth(&OAuth{Issuer: "https://idp.example.org", Audience: []string{"mail"}, JWKS: "http://127.0.0.1:1/keys"})
	must(f, err)
	_ = i
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	o.keys.keys, o.keys.fetched, o.keys.tried = []jose.JSONWebKey{public("d", key.Public())}, time.Now().Add(time.Hour), time.Now().Add(time.Hour)
	good := sign(f, jose.EdDSA, key, "d", map[string]any{"exp": 4102444800})
	f.Add(good)
	f.Add("a.b.c")
	f.Add(`{"payload":"e30","signatures":[]}`)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	if user, err := o.user(context.Background(), good); err != nil || user != "Ana@example.org" {
		f.Fatalf("%s, %v", user, err)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if user, err := o.user(context.Background(), token); err == nil && token != good {
			t.Errorf("%q is %s's", token, user)
		}
	})
}

// FuzzKeySet: what parses has only public keys.
func FuzzKeySet(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"1"},{"kty":"oct","k":"AAAA"},{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},{"kty":"x"}]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parseKeys(data)
		if err != nil {
			return
		}
		for _, k := range keys {
			if !k.IsPublic() {
				t.Errorf("%v", k)
			}
			for _, alg := range []string{"HS256", "none", ""} {
				if fits(&k, alg) {
					t.Errorf("a key fits %q", alg)
				}
			}
		}
	})
}

package account

import (
	"context"
	"sync"
	"testing"
	"time"
)

func TestUsersAreKept(t *testing.T) {
	t.Parallel()
	ctx, a := context.Background(), openWith(t, testOptions())
	wantErr(t, a.AddUser(ctx, User{Name: "ANA@example.org"}, "another password"), ErrTaken)
	wantErr(t, a.AddUser(ctx, User{Name: "ana"}, "another password"), ErrName)
	wantErr(t, a.AddUser(ctx, User{Name: "zoe@example.org"}, ""), nil)
	list, err := a.Users(ctx, "", 10)
	must(t, err)
	if len(list) != 2 || list[0].Name != ana || list[0].Display != "Ana" || time.Since(list[0].Created) > time.Minute {
		t.Errorf("%+v", list)
	}
	if list, _ := a.Users(ctx, ana, 10); len(list) != 1 {
		t.Errorf("after ana: %+v", list)
	}
	id, err := plain(a, peer, "Ana@EXAMPLE.org", anaPass)
	if err != nil || id != (Identity{User: ana, Authenticated: ana, Display: "Ana", Mechanism: "PLAIN"}) {
		t.Errorf("%+v, %v", id, err)
	}
	_, err = plain(a, peer, "zoe@example.org", "-")
	wantErr(t, err, ErrCredentials)
}

// TestCredentialsEndAtOnce: what is remembered never lets in whom the database
// does not.
func TestCredentialsEndAtOnce(t *testing.T) {
	t.Parallel()
	ctx, a := context.Background(), openWith(t, testOptions())
	login := func(password string, want error) {
		t.Helper()
		for range 2 { // the second time out of the memory
			_, err := plain(a, peer, ana, password)
			wantErr(t, err, want)
		}
	}
	login(anaPass, nil)
	must(t, a.SetDisabled(ctx, ana, true))
	login(anaPass, ErrCredentials)
	must(t, a.SetDisabled(ctx, ana, false))
	login(anaPass, nil)
	must(t, a.SetPassword(ctx, ana, "another password"))
	login(anaPass, ErrCredentials)
	login("another password", nil)
	must(t, a.Grant(ctx, ana, "boss@example.org"))
	must(t, a.RemoveUser(ctx, ana))
	login("another password", ErrCredentials)
	must(t, a.AddUser(ctx, User{Name: ana}, anaPass))
	login("another password", ErrCredentials)
	if ok, err := a.MaySend(ctx, ana, "boss@example.org"); ok || err != nil {
		t.Errorf("who comes after one of the same name may send as it might: %v, %v", ok, err)
	}
	wantErr(t, a.RemoveUser(ctx, "nobody@example.org"), ErrUnknown)
	wantErr(t, a.SetDisabled(ctx, "nobody@example.org", true), ErrUnknown)
	wantErr(t, a.SetPassword(ctx, "nobody@example.org", "another password"), ErrUnknown)
}

// TestOnePasswordOfTwo: what is remembered of one user is not the other's.
func TestOnePasswordOfTwo(t *testing.T) {
	t.Parallel()
	a := openWith(t, testOptions())
	must(t, a.AddUser(context.Background(), User{Name: "bob@example.org"}, anaPass))
	for range 2 {
		for _, name := range []string{ana, "bob@example.org"} {
			id, err := plain(a, peer, name, anaPass)
			if err != nil || id.User != name {
				t.Errorf("%+v, %v", id, err)
			}
		}
	}
}

func TestAppPasswords(t *testing.T) {
	t.Parallel()
	ctx, a := context.Background(), openWith(t, testOptions())
	must(t, a.AddAppPassword(ctx, ana, Credential{Name: "phone"}, "password of the phone"))
	must(t, a.AddAppPassword(ctx, ana, Credential{Name: "imap", Scope: []string{"imap"}}, "password of imap"))
	must(t, a.AddAppPassword(ctx, ana, Credential{Name: "old", Expires: time.Now().Add(-time.Second)}, "password that is old"))
	wantErr(t, a.AddAppPassword(ctx, ana, Credential{Name: "phone"}, "password of the phone"), ErrTaken)
	for _, c := range []Credential{{}, {Name: "a b"}, {Name: "x", Scope: []string{"ftp"}}} {
		if a.AddAppPassword(ctx, ana, c, "password of the phone") == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	for _, c := range []struct {
		service, password, credential string
		want                          error
	}{
		{"smtp", anaPass, "", nil},
		{"smtp", "password of the phone", "phone", nil},
		{"smtp", "password of imap", "", ErrCredentials},
		{"imap", "password of imap", "imap", nil},
		{"smtp", "password that is old", "", ErrCredentials},
	} {
		p := peer
		p.Service = c.service
		id, err := plain(a, p, ana, c.password)
		wantErr(t, err, c.want)
		if id.Credential != c.credential {
			t.Errorf("%+v: %+v", c, id)
		}
	}
	must(t, a.RemoveCredential(ctx, ana, "phone"))
	wantErr(t, a.RemoveCredential(ctx, ana, "phone"), ErrUnknown)
	_, err := plain(a, peer, ana, "password of the phone")
	wantErr(t, err, ErrCredentials)
	list, err := a.Credentials(ctx, ana)
	must(t, err)
	if len(list) != 3 || list[0].Name != "" || list[1].Name != "imap" || list[1].v.params != list[0].v.params {
		t.Errorf("%+v", list)
	}
}

// TestOneGuessCostsOneHash: whatever credentials there are, and whether there
// is such a user; text is the same too.
func TestOneGuessCostsOneHash(t *testing.T) {
	t.Parallel()
	ctx, a := context.Background(), openWith(t, testOptions())
	must(t, a.AddUser(ctx, User{Name: "off@example.org"}, anaPass))
	must(t, a.SetDisabled(ctx, "off@example.org", true))
	must(t, a.AddUser(ctx, User{Name: "none@example.org"}, ""))
	must(t, a.AddAppPassword(ctx, ana, Credential{Name: "phone"}, "password of the phone"))
	for _, name := range []string{ana, "off@example.org", "none@example.org", "nobody@example.org", "no address", "\x01", "a@b@c"} {
		before := a.hasher.count.Load()
		_, err := plain(a, peer, name, "a wrong password")
		wantErr(t, err, ErrCredentials)
		if n := a.hasher.count.Load() - before; n != 1 {
			t.Errorf("%s: %d derivations", name, n)
		}
	}
	before := a.hasher.count.Load()
	_, err := plain(a, peer, "off@example.org", anaPass)
	wantErr(t, err, ErrCredentials)
	_, err = plain(a, peer, ana, "wrong\x7fcharacters")
	wantErr(t, err, ErrCredentials)
	if n := a.hasher.count.Load() - before; n != 2 {
		t.Errorf("%d derivations", n)
	}
	before = a.hasher.count.Load()
	for range 5 {
		_, err := plain(a, peer, ana, anaPass)
		wantErr(t, err, nil)
	}
	if n := a.hasher.count.Load() - before; n != 1 {
		t.Errorf("five right ones cost %d derivations", n)
	}
}

// TestPasswordsAreKeptAnew when the configuration says to keep them otherwise.
func TestPasswordsAreKeptAnew(t *testing.T) {
	t.Parallel()
	ctx, opt := context.Background(), testOptions()
	a := openWith(t, opt)
	opt.SCRAM, opt.argon2 = false, params{scheme: schemeArgon2, iterations: 1, memory: 64, threads: 1}
	must(t, a.SetOptions(opt))
	for range 3 {
		_, err := plain(a, peer, ana, anaPass)
		wantErr(t, err, nil)
	}
	list, err := a.Credentials(ctx, ana)
	must(t, err)
	if list[0].v.scheme != schemeArgon2 {
		t.Errorf("it is still %s", list[0].v.scheme)
	}
	_, err = plain(a, peer, ana, "a wrong password")
	wantErr(t, err, ErrCredentials)
	// A password that is changed meanwhile is not undone.
	was, err := a.record(ctx, ana)
	must(t, err)
	must(t, a.SetPassword(ctx, ana, "another password"))
	old := testOptions()
	a.renew(ctx, was, anaPass, old.params())
	_, err = plain(a, peer, ana, anaPass)
	wantErr(t, err, ErrCredentials)
	_, err = plain(a, peer, ana, "another password")
	wantErr(t, err, nil)
}

// TestTwoCredentialsAtOnce: the first two share their salt, whoever is quicker.
func TestTwoCredentialsAtOnce(t *testing.T) {
	t.Parallel()
	ctx, a := context.Background(), openWith(t, testOptions())
	must(t, a.AddUser(ctx, User{Name: "zoe@example.org"}, ""))
	var wg sync.WaitGroup
	for _, name := range []string{"phone", "laptop"} {
		wg.Go(func() {
			if err := a.AddAppPassword(ctx, "zoe@example.org", Credential{Name: name}, "password of "+name); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, name := range []string{"phone", "laptop"} {
		_, err := plain(a, peer, "zoe@example.org", "password of "+name)
		wantErr(t, err, nil)
	}
}

// TestActingForOthers: the authorization identity of PLAIN.
func TestActingForOthers(t *testing.T) {
	t.Parallel()
	ctx, a := context.Background(), openWith(t, testOptions())
	must(t, a.AddUser(ctx, User{Name: "boss@example.org", Display: "Boss"}, "password of the boss"))
	act := func(authz string) (Identity, error) {
		return a.Authenticate(ctx, peer, "PLAIN", plainResponse(authz, ana, anaPass), noAsk)
	}
	id, err := act("Ana@example.org")
	if err != nil || id.User != ana {
		t.Errorf("%+v, %v", id, err)
	}
	for _, authz := range []string{"boss@example.org", "nobody@example.org", "no address"} {
		_, err := act(authz)
		wantErr(t, err, ErrCredentials)
	}
	must(t, a.Grant(ctx, ana, "*"))
	_, err = act("boss@example.org")
	wantErr(t, err, ErrCredentials) // that is for sending alone
	must(t, a.Grant(ctx, ana, "boss@example.org"))
	id, err = act("boss@example.org")
	if err != nil || id.User != "boss@example.org" || id.Authenticated != ana || id.Display != "Boss" {
		t.Errorf("%+v, %v", id, err)
	}
	if a.isKnown(ctx, "boss@example.org", network(peer.Addr)) {
		t.Error("the boss is known where only Ana was")
	}
	must(t, a.SetDisabled(ctx, "boss@example.org", true))
	_, err = act("boss@example.org")
	wantErr(t, err, ErrCredentials)
}

func TestDefaultDomain(t *testing.T) {
	t.Parallel()
	opt := testOptions()
	opt.Domain = "example.org"
	a := openWith(t, opt)
	_, err := plain(a, peer, "Ana", anaPass)
	wantErr(t, err, nil)
}

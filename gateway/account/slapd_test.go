package account

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/gapura-mail/gapura/test/peers"
)

// slapd is a real OpenLDAP in a private folder.
type slapd struct {
	url, tlsURL string
	ca          string // PEM file
	dir         string
	start       func()
	stop        func()
}

const slapdConfig = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/misc.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile %[1]s/pid
argsfile %[1]s/args
TLSCertificateFile %[1]s/cert.pem
TLSCertificateKeyFile %[1]s/key.pem
allow bind_anon_cred bind_anon_dn
database mdb
maxsize 16777216
suffix dc=example,dc=org
rootdn cn=admin,dc=example,dc=org
rootpw adminsecret
directory %[1]s/db
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact=cn=reader,dc=example,dc=org read by self read by * none
`

const slapdData = `dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: cn=reader,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: readersecret

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: uid=lena,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
objectClass: inetLocalMailRecipient
uid: lena
cn: Lena
sn: L
displayName: Lena Example
mail: Lena@example.org
mail: l.example@example.org
mailLocalAddress: sales@example.org
userPassword: password of lena

dn: uid=odd\2C (x)*,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: odd, (x)*
cn: Odd
sn: O
mail: odd@example.org
userPassword: password of odd

dn: uid=bare,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: bare
cn: Bare
sn: B

dn: uid=twin1,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: twin1
cn: Twin
sn: T
mail: twin@example.org
userPassword: password of twin

dn: uid=twin2,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: twin2
cn: Twin
sn: T
mail: twin@example.org
userPassword: password of twin
`

// startSlapd starts the directory; without slapd the test is skipped.
func startSlapd(t *testing.T) *slapd {
	t.Helper()
	program, err := exec.LookPath("slapd")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/slapd"); err != nil {
			peers.Missing(t, "slapd")
		}
	}
	// AppArmor's profile, where it is there, is for the path in /usr/sbin and
	// lets slapd read nothing of ours.
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "db"), 0o700))
	pair := serverPair(t)
	must(t, os.WriteFile(filepath.Join(dir, "cert.pem"), pair.cert, 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "key.pem"), pair.key, 0o600))
	conf := filepath.Join(dir, "slapd.conf")
	must(t, os.WriteFile(conf, fmt.Appendf(nil, slapdConfig, dir), 0o600))
	add := exec.Command("slapadd", "-f", conf)
	if _, err := exec.LookPath("slapadd"); err != nil {
		add = exec.Command("/usr/sbin/slapadd", "-f", conf)
	}
	add.Stdin = bytes.NewBufferString(slapdData)
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	plain, secure := freePort(t), freePort(t)
	s := &slapd{url: "ldap://" + plain, tlsURL: "ldaps://" + secure, ca: filepath.Join(dir, "cert.pem"), dir: dir}
	s.start = func() {
		cmd := exec.Command(program, "-f", conf, "-h", s.url+"/ "+s.tlsURL+"/", "-d", "0")
		var log bytes.Buffer
		cmd.Stderr = &log
		must(t, cmd.Start())
		exited := make(chan struct{})
		go func() { cmd.Wait(); close(exited) }()
		s.stop = func() {
			cmd.Process.Kill()
			<-exited
		}
		for end := time.Now().Add(20 * time.Second); ; {
			c, err := ldap.DialURL(s.tlsURL, ldap.DialWithTLSConfig(insecure))
			if err == nil {
				c.Close()
				return
			}
			select {
			case <-exited:
				t.Fatalf("slapd ended:\n%s", log.String())
			case <-time.After(20 * time.Millisecond): // it says nowhere that it is ready
			}
			if time.Now().After(end) {
				t.Fatalf("slapd does not answer: %v", err)
			}
		}
	}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

func freePort(t *testing.T) string {
	t.Helper()
	port, err := peers.FreePort()
	must(t, err)
	return fmt.Sprintf("127.0.0.1:%d", port)
}

// pemPair is a certificate with its key.
type pemPair struct{ cert, key []byte }

func (s *slapd) options() *LDAP {
	return &LDAP{
		Servers: []string{s.url}, CA: s.ca, BindDN: "cn=reader,dc=example,dc=org", BindPassword: "readersecret",
		Base: "ou=people,dc=example,dc=org", Filter: "(&(objectClass=inetOrgPerson)(|(mail={user})(uid={local})))",
		Addresses: []string{"mail", "mailLocalAddress"}, Remember: -1, Timeout: 10 * time.Second,
	}
}

// withLDAP opens accounts with a directory.
func withLDAP(t *testing.T, o *LDAP) *Accounts {
	t.Helper()
	opt := testOptions()
	opt.LDAP = o
	return openWith(t, opt)
}

func TestOpenLDAP(t *testing.T) {
	t.Parallel()
	s := startSlapd(t)
	ctx := context.Background()
	for name, change := range map[string]func(*LDAP){
		"STARTTLS":    func(*LDAP) {},
		"ldaps":       func(o *LDAP) { o.Servers = []string{s.tlsURL} },
		"next server": func(o *LDAP) { o.Servers = []string{"ldap://127.0.0.1:1", s.tlsURL} },
		"plaintext":   func(o *LDAP) { o.Plaintext = true },
		"remembered":  func(o *LDAP) { o.Remember = time.Minute },
		"domain":      func(o *LDAP) { o.Domains = []string{"EXAMPLE.org"} },
		"user_dn":     func(o *LDAP) { o.UserDN = "uid={local},ou=people,dc=example,dc=org" },
		"by themselves": func(o *LDAP) {
			o.UserDN, o.BindDN, o.BindPassword = "uid={local},ou=people,dc=example,dc=org", "", ""
		},
		"one connection": func(o *LDAP) { o.Connections = 1 },
	} {
		o := s.options()
		change(o)
		a := withLDAP(t, o)
		for _, c := range []struct {
			user, password string
			want           error
		}{
			{"lena@example.org", "password of lena", nil},
			{"LENA@example.org", "password of lena", nil},
			{"lena@example.org", "a wrong password", ErrCredentials},
			{"lena@example.org", "password of lena", nil},
			{"nobody@example.org", "password of lena", ErrCredentials},
			{ana, anaPass, nil},
			{ana, "password of lena", ErrCredentials},
			{"*@example.org", "password of lena", ErrCredentials},
			{"lena)(uid=*@example.org", "password of lena", ErrCredentials},
		} {
			id, err := plain(a, peer, c.user, c.password)
			if c.want == nil && err != nil || c.want != nil && !errorIs(err, c.want) {
				t.Errorf("%s: %s %s: %v", name, c.user, c.password, err)
			}
			if err == nil && c.user != ana && (id.User != "lena@example.org" || id.Display != "Lena Example") {
				t.Errorf("%s: %+v", name, id)
			}
		}
		for address, want := range map[string]bool{"lena@example.org": name != "by themselves", "l.example@example.org": true, "x@example.org": false, "lena@elsewhere.example": false} {
			if name != "domain" && address == "lena@elsewhere.example" || strings.HasPrefix(address, "l.") && o.UserDN != "" {
				continue // other words lead to the same entry, or none
			}
			ok, err := a.Exists(ctx, address)
			if err != nil || ok != want {
				t.Errorf("%s: Exists(%s) = %v, %v", name, address, ok, err)
			}
		}
		if name != "by themselves" { // who may look at nobody else
			u, addresses, err := a.Listed(ctx, "LENA@example.org")
			if err != nil || u.Name != "lena@example.org" || u.Display != "Lena Example" || !slices.Contains(addresses, "sales@example.org") {
				t.Errorf("%s: listed %+v, %q, %v", name, u, addresses, err)
			}
			if _, addresses, err := a.Listed(ctx, "bare@example.org"); err != nil || addresses == nil || len(addresses) > 0 {
				t.Errorf("%s: who has no address: %#v, %v", name, addresses, err)
			}
		}
		if u, _, err := a.Listed(ctx, "nobody@example.org"); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: listed %+v, %v", name, u, err)
		}
		for address, want := range map[string]bool{"lena@example.org": true, "l.example@example.org": true, "sales@example.org": true, "odd@example.org": false, ana: false} {
			ok, err := a.MaySend(ctx, "lena@example.org", address)
			if err != nil || ok != want {
				t.Errorf("%s: MaySend(%s) = %v, %v", name, address, ok, err)
			}
		}
	}
}

func TestOpenLDAPTraps(t *testing.T) {
	t.Parallel()
	s := startSlapd(t)
	ctx := context.Background()
	a := withLDAP(t, s.options())
	d := a.set.Load().ldap
	// A bind with an empty password succeeds, and proves nothing.
	if err := d.pool.do(ctx, func(c *dirConn) error {
		return c.conn.UnauthenticatedBind("uid=lena,ou=people,dc=example,dc=org")
	}); err != nil {
		t.Fatalf("the trap is not there: %v", err)
	}
	_, err := d.login(ctx, "lena@example.org", "")
	wantErr(t, err, ErrCredentials)
	_, err = plain(a, peer, "lena@example.org", "\u00ad") // which preparation leaves nothing of
	wantErr(t, err, ErrCredentials)
	// Two entries are nobody.
	_, err = plain(a, peer, "twin@example.org", "password of twin")
	wantErr(t, err, ErrCredentials)
	// A filter is data, whatever is in it.
	for _, name := range []string{"*@example.org", "x)(mail=*@example.org", "lena\\@example.org", "odd, (x)*@example.org", "\x00@example.org"} {
		if e, err := d.find(ctx, name); err != nil || e != nil && e.user != "odd@example.org" {
			t.Errorf("%q: %+v, %v", name, e, err)
		}
	}
	if e, err := d.find(ctx, "odd, (x)*@example.org"); err != nil || e == nil {
		t.Errorf("the one whose name looks like a filter: %+v, %v", e, err)
	}
	o := s.options()
	o.UserDN = "uid={local},ou=people,dc=example,dc=org"
	dn := withLDAP(t, o).set.Load().ldap
	if _, err := dn.login(ctx, "odd, (x)*@example.org", "password of odd"); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"x,cn=reader,dc=example,dc=org@example.org", "lena,ou=people@example.org", "lena+cn=Lena@example.org"} {
		if _, err := dn.login(ctx, name, "readersecret"); !errorIs(err, ErrCredentials) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// SCRAM is not offered: the directory does not say what its clients know.
	if got := fmt.Sprint(a.Mechanisms(peer)); got != "[PLAIN LOGIN]" {
		t.Error(got)
	}
	// An address that is a user's of its own is nobody else's.
	must(t, a.AddUser(ctx, User{Name: "sales@example.org"}, ""))
	if ok, err := a.MaySend(ctx, "lena@example.org", "sales@example.org"); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	// A disabled user stays out, whatever the directory says.
	must(t, a.AddUser(ctx, User{Name: "lena@example.org"}, ""))
	_, err = plain(a, peer, "lena@example.org", "password of lena")
	wantErr(t, err, nil)
	must(t, a.SetDisabled(ctx, "lena@example.org", true))
	_, err = plain(a, peer, "lena@example.org", "password of lena")
	wantErr(t, err, ErrCredentials)
	_, err = plain(a, peer, "l.example@example.org", "password of lena")
	wantErr(t, err, ErrCredentials)
}

// TestWhoLeavesTheDirectoryIsGone: sessions that are open are ended by it.
func TestWhoLeavesTheDirectoryIsGone(t *testing.T) {
	t.Parallel()
	s := startSlapd(t)
	ctx := context.Background()
	searching, own := s.options(), s.options()
	own.UserDN, own.BindDN, own.BindPassword = "uid={local},ou=people,dc=example,dc=org", "", ""
	a, b := withLDAP(t, searching), withLDAP(t, own)
	gone := func(a *Accounts, user string, want bool, wantErr error) {
		t.Helper()
		if got, err := a.Gone(ctx, user); got != want || !errors.Is(err, wantErr) {
			t.Errorf("%s gone: %v, %v", user, got, err)
		}
	}
	for _, x := range []*Accounts{a, b} {
		_, err := plain(x, peer, "lena@example.org", "password of lena")
		wantErr(t, err, nil)
		gone(x, "lena@example.org", false, nil)
		gone(x, ana, false, nil)
		gone(x, "nobody@example.org", true, nil)
	}
	s.stop()
	gone(a, "lena@example.org", false, ErrTemporary) // nobody is thrown out for that
	s.start()
	c, err := ldap.DialURL(s.tlsURL, ldap.DialWithTLSConfig(insecure))
	must(t, err)
	defer c.Close()
	must(t, c.Bind("cn=admin,dc=example,dc=org", "adminsecret"))
	must(t, c.Del(ldap.NewDelRequest("uid=lena,ou=people,dc=example,dc=org", nil)))
	gone(a, "lena@example.org", true, nil)
	gone(b, "lena@example.org", false, nil) // nobody else may look; the login counts for a day
	d := b.set.Load().ldap
	d.selves.put("lena@example.org", dirAnswer{until: time.Now()})
	gone(b, "lena@example.org", true, nil)
	must(t, a.SetDisabled(ctx, ana, true))
	gone(a, ana, true, nil)
}

func TestOpenLDAPAway(t *testing.T) {
	t.Parallel()
	s := startSlapd(t)
	login := func(a *Accounts, want error) {
		t.Helper()
		_, err := plain(a, peer, "lena@example.org", "password of lena")
		wantErr(t, err, want)
	}
	a := withLDAP(t, s.options())
	login(a, nil)
	o := s.options()
	o.Remember = time.Hour
	b := withLDAP(t, o)
	login(b, nil)
	s.stop()
	login(a, ErrTemporary)
	login(b, nil) // remembered
	_, err := plain(a, peer, ana, anaPass)
	wantErr(t, err, nil)
	s.start()
	login(a, nil) // the idle connection is dead, the server is back
	// Without the CA the server is not believed, and gets no password.
	o = s.options()
	o.CA = ""
	login(withLDAP(t, o), ErrTemporary)
	o = s.options()
	o.BindPassword = "wrong"
	login(withLDAP(t, o), ErrTemporary)
	o = s.options()
	o.Servers = []string{"ldap://127.0.0.1:1"}
	login(withLDAP(t, o), ErrTemporary)
	// One that accepts and says nothing.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	o = s.options()
	o.Servers, o.Timeout, o.Plaintext = []string{"ldap://" + l.Addr().String()}, 50*time.Millisecond, true
	login(withLDAP(t, o), ErrTemporary)
	// The client goes away meanwhile.
	ctx, cancel := context.WithCancel(context.Background())
	o.Timeout = time.Minute
	c := withLDAP(t, o)
	go func() {
		conn, err := l.Accept()
		for err == nil && conn != nil { // the first may be of the one before
			buf := make([]byte, 1)
			if _, err := conn.Read(buf); err == nil {
				cancel()
			}
			conn, err = l.Accept()
		}
	}()
	_, err = c.Authenticate(ctx, peer, "PLAIN", plainResponse("", "lena@example.org", "password of lena"), noAsk)
	wantErr(t, err, context.Canceled)
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// The directory is asked as often about somebody who is not there, so that a
// slow one tells nothing.
func TestDirectoryIsAskedAlikeForEverybody(t *testing.T) {
	t.Parallel()
	s := startSlapd(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	var requests atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", strings.TrimPrefix(s.url, "ldap://"))
			if err != nil {
				c.Close()
				return
			}
			go func() { io.Copy(c, server); c.Close() }()
			go func() {
				defer server.Close()
				for b := make([]byte, 64<<10); ; {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					requests.Add(1) // a client waits for each answer
					server.Write(b[:n])
				}
			}()
		}
	}()
	o := s.options()
	o.Servers, o.Plaintext = []string{"ldap://" + l.Addr().String()}, true
	a := withLDAP(t, o)
	asked := func(user string) int64 {
		t.Helper()
		before := requests.Load()
		_, err := plain(a, peer, user, "a wrong password")
		wantErr(t, err, ErrCredentials)
		return requests.Load() - before
	}
	asked("lena@example.org") // connects
	if there, not := asked("lena@example.org"), asked("nobody@example.org"); there != not {
		t.Errorf("%d requests for a user, %d for nobody", there, not)
	}
}

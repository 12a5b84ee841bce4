package signing

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
)

// TestRotation follows a domain through all steps.
func TestRotation(t *testing.T) {
	t.Parallel()
	k := openKeys(t, openDB(t), Options{})
	now := time.Now()
	old := k.must(t, Request{Domain: "example.org", Now: now})
	zone := publish(old)
	zone["example.org"] = []dns.ZoneRecord{{Type: dns.TypeSOA, Minimum: 1800, TTL: 2 * time.Hour}}
	rotate := func(want Step) Rotation {
		t.Helper()
		rot, err := k.Rotate(t.Context(), zone, "Example.org", "", RotateOptions{Now: now})
		if err != nil || rot.Step != want {
			t.Fatalf("%+v, %v, want %s", rot, err, want)
		}
		return rot
	}
	signs := func(keys []Key) {
		t.Helper()
		want := []string{keys[0].Selector, keys[1].Selector}
		if got := verify(t, zone, sign(t, k, "", text)); !slices.Equal(got, want) {
			t.Fatalf("%q sign, want %q", got, want)
		}
	}
	rot := rotate(Generated)
	fresh := rot.Publish
	if len(fresh) != 2 || fresh[0].Algorithm() != RSA || fresh[1].Algorithm() != Ed25519 || len(rot.Keep) != 2 {
		t.Fatalf("%+v", rot)
	}
	signs(old)

	if rot = rotate(Waiting); len(rot.Problems) != 2 || !strings.Contains(rot.Problems[0], "is missing") {
		t.Fatalf("%+v", rot)
	}
	for name, recs := range publish(fresh) {
		zone[name] = recs
	}
	if rot = rotate(Waiting); rot.Problems != nil || rot.Next.Sub(now) > 30*time.Minute || rot.Next.Sub(now) < 30*time.Minute-time.Second {
		t.Fatalf("%+v", rot)
	}
	// A record that goes away again is waited for anew.
	late := zone[fresh[0].Name()]
	delete(zone, fresh[0].Name())
	now = now.Add(20 * time.Minute)
	if rot = rotate(Waiting); len(rot.Problems) != 1 {
		t.Fatalf("%+v", rot)
	}
	zone[fresh[0].Name()] = late
	now = now.Add(20 * time.Minute)
	rotate(Waiting)
	zone["example.org"][0].Minimum, zone["example.org"][0].TTL = 1<<31, 1<<31*time.Second
	if rot = rotate(Waiting); rot.Next.Sub(now) > maxNegative {
		t.Fatalf("the zone wants it to wait until %s", rot.Next)
	}
	zone["example.org"][0].Minimum, zone["example.org"][0].TTL = 1800, 2*time.Hour
	signs(old)
	now = now.Add(30 * time.Minute)
	if rot = rotate(Activated); len(rot.Keep) != 4 || rot.Next.Sub(now) != KeepRetired {
		t.Fatalf("%+v", rot)
	}
	signs(fresh)

	now = now.Add(KeepRetired - time.Minute)
	rotate(Idle)
	now = now.Add(2 * time.Minute)
	rot = rotate(Withdrawn)
	if len(rot.Publish) != 2 || !strings.HasSuffix(rot.Publish[0].Record(), "p=") || rot.Publish[0].Selector != old[0].Selector {
		t.Fatalf("%+v", rot)
	}
	for i := range rot.Publish {
		if err := CheckRecord(t.Context(), zone, &rot.Publish[i]); !errors.Is(err, ErrRecord) {
			t.Errorf("the old record still has a key: %v", err)
		}
		if err := CheckRecord(t.Context(), publish(rot.Publish), &rot.Publish[i]); err != nil {
			t.Error(err)
		}
	}
	now = now.Add(KeepRevoked)
	if rot = rotate(Removed); len(rot.Delete) != 2 {
		t.Fatalf("%+v", rot)
	}
	if list, err := k.List(t.Context(), ""); err != nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	signs(fresh)
	rotate(Generated)
}

func TestRotateByForceAndAnew(t *testing.T) {
	t.Parallel()
	k := openKeys(t, openDB(t), Options{})
	now := time.Now()
	k.must(t, Request{Domain: "example.org", Algorithms: []Algorithm{Ed25519}, Now: now})
	step := func(want Step, opt RotateOptions) {
		t.Helper()
		opt.Now = now
		rot, err := k.Rotate(t.Context(), dns.Zone{}, "example.org", "", opt)
		if err != nil || rot.Step != want {
			t.Fatalf("%+v, %v, want %s", rot, err, want)
		}
	}
	step(Generated, RotateOptions{Selector: "mine", Algorithms: []Algorithm{RSA}})
	step(Activated, RotateOptions{Force: true})
	step(Idle, RotateOptions{})
	step(Generated, RotateOptions{Anew: true})
	step(Activated, RotateOptions{Force: true})
	step(Withdrawn, RotateOptions{Force: true})
	list, err := k.List(t.Context(), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	states := map[State]int{}
	for _, key := range list {
		states[key.State]++
	}
	if states[Active] != 1 || states[Revoked] != 2 {
		t.Errorf("%v", states)
	}
}

func TestFirstKeysNeedNotWait(t *testing.T) {
	t.Parallel()
	k := openKeys(t, openDB(t), Options{})
	now := time.Now()
	list := k.must(t, Request{Domain: "example.org", Wait: true, Now: now})
	rot, err := k.Rotate(t.Context(), publish(list), "example.org", "", RotateOptions{Now: now})
	if err != nil || rot.Step != Activated || !rot.Next.IsZero() {
		t.Errorf("%+v, %v", rot, err)
	}
	if _, err := k.Rotate(t.Context(), dns.Zone{}, "example.org", "ana@example.org", RotateOptions{Now: now}); !errors.Is(err, ErrNoKeys) {
		t.Errorf("a user without keys: %v", err)
	}
	if _, err := k.Rotate(t.Context(), dns.Zone{}, "no such", "", RotateOptions{Now: now}); !errors.Is(err, ErrName) {
		t.Errorf("no domain: %v", err)
	}
}

func TestTwoWhoRotate(t *testing.T) {
	t.Parallel()
	k := openKeys(t, openDB(t), Options{})
	list := k.must(t, Request{Domain: "example.org", Algorithms: []Algorithm{Ed25519}})
	v, _, err := k.group(t.Context(), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	k.must(t, Request{Domain: "example.org", Algorithms: []Algorithm{Ed25519}})
	turn := &turn{k: k, ctx: t.Context(), v: v}
	list[0].State = Revoked
	if err := turn.store(list); !errors.Is(err, errChanged) {
		t.Errorf("%v", err)
	}
}

func TestCheckRecord(t *testing.T) {
	t.Parallel()
	k := openKeys(t, openDB(t), Options{})
	list := k.must(t, Request{Domain: "example.org", Selector: "s"})
	key := &list[0]
	txt := func(s ...string) dns.Zone {
		z := dns.Zone{}
		for _, s := range s {
			z[key.Name()] = append(z[key.Name()], dns.ZoneRecord{Type: dns.TypeTXT, Record: dns.Record{Text: s}})
		}
		return z
	}
	good := key.Record()
	for name, c := range map[string]struct {
		zone dns.Zone
		bad  bool
	}{
		"as printed":      {txt(good), false},
		"with more":       {txt("v=DKIM1; s=email:tlsrpt; h=sha256; t=y; " + strings.TrimPrefix(good, "v=DKIM1; ")), false},
		"missing":         {dns.Zone{}, true},
		"two":             {txt(good, good), true},
		"nonsense":        {txt("hello"), true},
		"revoked":         {txt("v=DKIM1; p="), true},
		"another key":     {txt(list[1].Record()), true},
		"sha1":            {txt("h=sha1; " + strings.TrimPrefix(good, "v=DKIM1; ")), true},
		"another service": {txt("s=tlsrpt; " + strings.TrimPrefix(good, "v=DKIM1; ")), true},
	} {
		if err := CheckRecord(t.Context(), c.zone, key); (err != nil) != c.bad || err != nil && !errors.Is(err, ErrRecord) {
			t.Errorf("%s: %v", name, err)
		}
	}
	failing := dns.Zone{key.Name(): {{Fail: dns.ErrTimeout}}}
	if err := CheckRecord(t.Context(), failing, key); !errors.Is(err, dns.ErrTimeout) || errors.Is(err, ErrRecord) {
		t.Errorf("time-out: %v", err)
	}
}

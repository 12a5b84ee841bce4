package quota

import (
	"testing"
)

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	good := DefaultOptions()
	good.Only = map[string]Limits{"ana@example.org": {NewDay: -1}, "example.org": {MessagesDay: 5}, "2001:db8::/64": {}}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for i, change := range []func(*Options){
		func(o *Options) { o.User.NewDay = -1 }, func(o *Options) { o.Domain.MessagesDay = maxLimit + 1 }, func(o *Options) { o.Tell = 101 }, func(o *Options) { o.Hold.Refusals = -1 },
		func(o *Options) { o.Hold.Mail = "drop" }, func(o *Options) { o.Hold.Alert = "nobody" }, func(o *Options) { o.Only = map[string]Limits{"Ana@example.org": {}} }, func(o *Options) { o.Only = map[string]Limits{"2001:db8::1": {}} },
		func(o *Options) { o.Only = map[string]Limits{"j\u00f6@b\u00fccher.example": {}} },
	} {
		o := DefaultOptions()
		if change(&o); o.Check() == nil {
			t.Errorf("%d: no error", i)
		}
	}
}

func TestDomainsBeyondASCIIAreCountedAsUsersAre(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"j\u00f6@b\u00fccher.example", "J\u00d6@B\u00dcCHER.example", "j\u00f6@xn--bcher-kva.example"} {
		if n, err := Normal(s); err != nil || n != "j\u00f6@xn--bcher-kva.example" {
			t.Errorf("%s: %s, %v", s, n, err)
		}
	}
}

func FuzzNormal(f *testing.F) {
	for _, s := range []string{"Ana@Example.org", "example.org", "192.0.2.1", "2001:db8::1", "a b", "@"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := Normal(s)
		if err != nil {
			return
		}
		if again, err := Normal(n); err != nil || again != n {
			t.Fatalf("%q is %q, which is %q, %v", s, n, again, err)
		}
	})
}

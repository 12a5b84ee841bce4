package account

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func alias(t *testing.T, a *Accounts, address string, targets ...string) {
	t.Helper()
	must(t, a.AddAlias(context.Background(), Alias{address, targets}))
}

// resolved writes targets as address=user.
func resolved(t *testing.T, a *Accounts, address string) (string, error) {
	t.Helper()
	list, err := a.Resolve(context.Background(), address)
	var out []string
	for _, x := range list {
		s := x.Address.String()
		if x.User != "" {
			s += "=" + x.User
		}
		out = append(out, s)
	}
	return strings.Join(out, " "), err
}

func TestAliases(t *testing.T) {
	t.Parallel()
	ctx, a := context.Background(), openWith(t, testOptions())
	must(t, a.AddUser(ctx, User{Name: "bob@example.org"}, ""))
	must(t, a.AddUser(ctx, User{Name: "keep@example.org"}, ""))
	alias(t, a, "Info@Example.org", "ANA@example.org")
	alias(t, a, "team@example.org", "ana@example.org", "bob@example.org", "Guest@Elsewhere.example")
	alias(t, a, "all@example.org", "team@example.org", "info@example.org", "ana@example.org")
	alias(t, a, "keep@example.org", "keep@example.org", "bob@example.org")
	alias(t, a, "gone@example.org", "Someone@elsewhere.example")
	alias(t, a, "a@loop.example", "b@loop.example")
	alias(t, a, "b@loop.example", "a@loop.example")
	alias(t, a, "*@catch.example", "bob@example.org")
	alias(t, a, "known@catch.example", "ana@example.org")
	alias(t, a, "ana+list@example.org", "bob@example.org")
	alias(t, a, "*@circle.example", "x@circle.example")
	for in, want := range map[string]string{
		"ana@example.org":            "ana@example.org=ana@example.org",
		"Ana+x@example.org":          "Ana+x@example.org=ana@example.org",
		"ana+list@example.org":       "bob@example.org=bob@example.org",
		"info@example.org":           "ana@example.org=ana@example.org",
		"info+x@example.org":         "ana@example.org=ana@example.org",
		"team@example.org":           "ana@example.org=ana@example.org bob@example.org=bob@example.org Guest@elsewhere.example",
		"all@example.org":            "ana@example.org=ana@example.org bob@example.org=bob@example.org Guest@elsewhere.example",
		"keep@example.org":           "keep@example.org=keep@example.org bob@example.org=bob@example.org",
		"gone@example.org":           "Someone@elsewhere.example",
		"anybody@catch.example":      "bob@example.org=bob@example.org",
		"known@catch.example":        "ana@example.org=ana@example.org",
		"Stranger@Elsewhere.example": "Stranger@Elsewhere.example",
		`"a b"@elsewhere.example`:    `"a b"@elsewhere.example`,
	} {
		if got, err := resolved(t, a, in); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"a@loop.example", "x@circle.example"} {
		_, err := resolved(t, a, in)
		wantErr(t, err, ErrAliasLoop)
	}
	for address, want := range map[string]bool{
		ana: true, "ana+x@example.org": true, "info@example.org": true, "x@catch.example": true, "x@example.org": false,
		"x@elsewhere.example": false, "no address": false, "team@EXAMPLE.ORG": true,
	} {
		if got, err := a.Exists(ctx, address); err != nil || got != want {
			t.Errorf("Exists(%s) = %v, %v", address, got, err)
		}
	}
}

func TestAliasesAreKept(t *testing.T) {
	t.Parallel()
	ctx, a := context.Background(), openWith(t, testOptions())
	alias(t, a, "team@example.org", "c@x.example", "b@x.example")
	alias(t, a, "team@example.org", "b@x.example", "a@x.example", ana)
	alias(t, a, "only@example.org", ana)
	for _, al := range []Alias{{"team@example.org", nil}, {"no", []string{ana}}, {"x@example.org", []string{"no"}}, {"x@example.org", []string{"*@example.org"}}} {
		if a.AddAlias(ctx, al) == nil {
			t.Errorf("%+v is taken", al)
		}
	}
	list, err := a.Aliases(ctx, "", "", 10)
	must(t, err)
	if got := fmt.Sprint(list); got != "[{only@example.org [ana@example.org]} {team@example.org [c@x.example b@x.example a@x.example ana@example.org]}]" {
		t.Error(got)
	}
	if list, _ := a.Aliases(ctx, "b@x.example", "", 10); len(list) != 1 || list[0].Address != "team@example.org" || len(list[0].Targets) != 4 {
		t.Errorf("%v", list)
	}
	if list, _ := a.Aliases(ctx, "", "only@example.org", 10); len(list) != 1 {
		t.Errorf("%v", list)
	}
	must(t, a.RemoveAlias(ctx, Alias{"team@example.org", []string{"B@x.example"}}))
	wantErr(t, a.RemoveAlias(ctx, Alias{"team@example.org", []string{"b@x.example"}}), ErrUnknown)
	must(t, a.RemoveUser(ctx, ana))
	list, _ = a.Aliases(ctx, "", "", 10)
	if got := fmt.Sprint(list); got != "[{team@example.org [c@x.example a@x.example]}]" {
		t.Error(got)
	}
	must(t, a.RemoveAlias(ctx, Alias{"team@example.org", nil}))
	wantErr(t, a.RemoveAlias(ctx, Alias{"team@example.org", nil}), ErrUnknown)
	many := make([]string, maxAliasTargets+1)
	for i := range many {
		many[i] = fmt.Sprintf("u%d@x.example", i)
	}
	if a.AddAlias(ctx, Alias{"many@example.org", many}) == nil {
		t.Error("too many are taken")
	}
}

// TestAliasBounds: depth and number of targets.
func TestAliasBounds(t *testing.T) {
	t.Parallel()
	a := openWith(t, testOptions())
	for i := range 12 {
		alias(t, a, fmt.Sprintf("d%d@example.org", i), fmt.Sprintf("d%d@example.org", i+1))
	}
	_, err := resolved(t, a, "d1@example.org")
	wantErr(t, err, ErrAliasLoop)
	got, err := resolved(t, a, "d3@example.org")
	if err != nil || got != "d12@example.org" {
		t.Errorf("%s, %v", got, err)
	}
	for i := range 2 {
		list := make([]string, maxAliasTargets-i)
		for j := range list {
			list[j] = fmt.Sprintf("u%d.%d@x.example", i, j)
		}
		alias(t, a, fmt.Sprintf("big%d@example.org", i), list...)
	}
	alias(t, a, "both@example.org", "big0@example.org", "big1@example.org")
	_, err = resolved(t, a, "big0@example.org")
	wantErr(t, err, nil)
	_, err = resolved(t, a, "both@example.org")
	wantErr(t, err, ErrAliasLoop)
}

func TestWhoMaySend(t *testing.T) {
	t.Parallel()
	ctx, a := context.Background(), openWith(t, testOptions())
	const bob, ceo = "bob@example.org", "ceo@example.org"
	for _, u := range []string{bob, ceo, "app@example.org"} {
		must(t, a.AddUser(ctx, User{Name: u}, ""))
	}
	alias(t, a, "info@example.org", ana)
	alias(t, a, "deep@example.org", "info@example.org")
	alias(t, a, "team@example.org", ana, bob)
	alias(t, a, "*@example.org", ana)
	alias(t, a, "ana+boss@example.org", ceo)
	alias(t, a, "away@example.org", "away@elsewhere.example")
	alias(t, a, "l1@example.org", "l2@example.org")
	alias(t, a, "l2@example.org", "l1@example.org")
	must(t, a.Grant(ctx, bob, "Office@partner.example"))
	must(t, a.Grant(ctx, bob, "*@news.example"))
	must(t, a.Grant(ctx, "app@example.org", "*"))
	wantErr(t, a.Grant(ctx, "nobody@example.org", "*"), ErrUnknown)
	for _, c := range []struct {
		user, address string
		want          bool
	}{
		{ana, ana, true},
		{"ANA@example.org", "Ana@Example.ORG", true},
		{ana, "ana+x@example.org", true},
		{ana, "ana+boss@example.org", false},
		{ceo, "ana+boss@example.org", true},
		{ana, "info@example.org", true},
		{ana, "deep@example.org", true},
		{ana, "deep+x@example.org", true},
		{ana, "team@example.org", false},
		{bob, "team@example.org", false},
		{ana, "whatever@example.org", true},
		{ana, ceo, false},
		{ana, "ceo+x@example.org", false},
		{ana, "away@example.org", false},
		{bob, "whatever@example.org", false},
		{ana, "x@elsewhere.example", false},
		{bob, "office@partner.example", true},
		{bob, "other@partner.example", false},
		{bob, "any@news.example", true},
		{bob, ana, false},
		{"app@example.org", "x@elsewhere.example", true},
		{"app@example.org", ceo, true},
		{ana, "l1@example.org", false},
		{ana, "", false},
		{ana, "no address", false},
		{"", ana, false},
		{"nobody@example.org", "x@elsewhere.example", false},
	} {
		if got, err := a.MaySend(ctx, c.user, c.address); err != nil || got != c.want {
			t.Errorf("MaySend(%s, %s) = %v, %v", c.user, c.address, got, err)
		}
	}
	// A session may be older than what the administrator did.
	must(t, a.SetDisabled(ctx, "app@example.org", true))
	must(t, a.SetDisabled(ctx, ceo, true))
	for user, address := range map[string]string{"app@example.org": "x@elsewhere.example", ceo: ceo} {
		if ok, err := a.MaySend(ctx, user, address); ok || err != nil {
			t.Errorf("%s: %v, %v", user, ok, err)
		}
	}
	grants, err := a.Grants(ctx, bob)
	must(t, err)
	if !slices.Equal(grants, []string{"*@news.example", "office@partner.example"}) {
		t.Errorf("%v", grants)
	}
	must(t, a.Revoke(ctx, bob, "*@news.example"))
	wantErr(t, a.Revoke(ctx, bob, "*@news.example"), ErrUnknown)
	if ok, _ := a.MaySend(ctx, bob, "any@news.example"); ok {
		t.Error("revoked in vain")
	}
}

package e2e_test

import (
	"testing"
	"time"
)

// TestANewPasswordEndsSessions: whoever is logged in with a password that was
// changed, or an app password that was revoked, is out at once.
func TestANewPasswordEndsSessions(t *testing.T) {
	t.Parallel()
	k := startKeeper(t, "", "ann", "bob")
	for user, args := range map[string][]string{
		"ann": {"user", "passwd", "ann@" + keepDomain, "--generate"},
		"bob": {"user", "disable", "bob@" + keepDomain},
	} {
		b := k.boxOf(t, user)
		c := b.login(nil)
		if out, err := runTool(t, "", program, append([]string{"-c", k.file}, args...)...); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		select {
		case <-c.Closed():
		case <-time.After(5 * time.Second):
			t.Errorf("%s is still logged in after %q", user, args)
		}
	}
}

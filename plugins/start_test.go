package plugins

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStartsThatFail(t *testing.T) {
	t.Parallel()
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(self)
	sum[5]++
	wrong := options("any")
	wrong.SHA256 = hex.EncodeToString(sum[:])
	missing := options("any")
	missing.Command = []string{"/nonexistent/plugin"}
	renamed := options("any")
	renamed.Name = "other"
	slow := options("silent")
	slow.StartTimeout = 300 * time.Millisecond
	for want, opt := range map[string]Options{
		"exit status 3":               options("crash"),
		"timeout while waiting":       slow,
		"hello world":                 options("noise"),
		"":                            options("vanish"),
		"not in the folder":           options("elsewhere"),
		`declares field "spf.result"`: options("foreign"),
		`declares field "t.text"`:     renamed,
		"not the configured one":      wrong,
		"no such file":                missing,
	} {
		l := &logs{}
		p, err := open(t.Context(), opt, l.logger(), soon)
		if err == nil {
			_ = p.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q\n%s", err, want, l)
		}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("shutting down")
	cancel(cause)
	if _, err := open(ctx, options("silent"), nil, soon); !errors.Is(err, cause) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestWhatRunsIsWhatWasChecked(t *testing.T) {
	t.Parallel()
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(path, self, 0o700); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(self)
	opt := options("any")
	opt.Command, opt.SHA256 = []string{path}, hex.EncodeToString(sum[:])
	p, _ := start(t, opt, soon)
	if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid(p))); err != nil || !strings.Contains(exe, "memfd:") {
		t.Errorf("runs %s, %v", exe, err)
	}
	if err := os.WriteFile(path+".new", []byte("#!/bin/sh\nexit 0\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	_, _ = check(p, t.Context(), "exit")
	eventually(t, "the other program is refused", func() bool {
		return strings.Contains(p.Status().Error, "not the configured one")
	})
}

func TestRestartWithOtherFieldsIsRefused(t *testing.T) {
	t.Parallel()
	flag := filepath.Join(t.TempDir(), "flag")
	opt := options("moody")
	opt.Env["FLAG"] = flag
	p, _ := start(t, opt, soon)
	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_ = syscall.Kill(pid(p), syscall.SIGKILL)
	eventually(t, "refusal", func() bool { return strings.Contains(p.Status().Error, "other fields") })
	if err := os.Remove(flag); err != nil {
		t.Fatal(err)
	}
	eventually(t, "recovery", func() bool { return p.Status().State == "running" })
}

func TestNoEnvironmentButTheConfiguredOne(t *testing.T) {
	t.Parallel()
	opt := options("any")
	opt.Env = map[string]string{"MODE": "any", "GAPURA_PLUGIN": "overridden", "COLOUR": "red"}
	p, _ := start(t, opt, soon)
	v, err := check(p, t.Context(), "env")
	if err != nil {
		t.Fatal(err)
	}
	env := v.Facts[0].Value.([]string)
	seen := map[string]bool{}
	for _, e := range env {
		k, _, _ := strings.Cut(e, "=")
		seen[k] = true
		switch {
		case k == "PATH", k == "TMPDIR", k == "MODE", strings.HasPrefix(k, "PLUGIN_"):
		case e == "COLOUR=red", e == "GAPURA_PLUGIN=gateway.Filter":
		default:
			t.Errorf("environment has %s", e)
		}
	}
	if !seen["COLOUR"] || !seen["TMPDIR"] {
		t.Errorf("environment: %v", env)
	}
}

package sieve

import (
	"context"
	"strings"
	"testing"
)

func TestEditHeader(t *testing.T) {
	t.Parallel()
	run := func(script string) string {
		res, err := mustCompile(t, requireAll+script, Options{}).Run(context.Background(), newEnv(t, sample))
		if err != nil {
			t.Fatal(err)
		}
		k, ok := res.Actions[len(res.Actions)-1].(Keep)
		if !ok {
			t.Fatal(short(res))
		}
		return string(k.Header)
	}
	if h := run(`addheader "X-New" "grün"; addheader :last "X-End" "e";`); !strings.HasPrefix(h, "X-New: =?utf-8?") || !strings.HasSuffix(h, "X-End: e\r\n") {
		t.Errorf("added:\n%s", h)
	}
	if h := run(`deleteheader "x-multi";`); strings.Contains(h, "X-Multi") || !strings.Contains(h, "X-Count") {
		t.Errorf("deleted:\n%s", h)
	}
	if h := run(`deleteheader :index 2 "x-multi";`); strings.Contains(h, "two") || !strings.Contains(h, "three") {
		t.Errorf("deleted:\n%s", h)
	}
	if h := run(`deleteheader :index 1 :last :contains "x-multi" "hre";`); strings.Contains(h, "three") || !strings.Contains(h, "two") {
		t.Errorf("deleted:\n%s", h)
	}
	if h := run(`deleteheader :matches "x-multi" "*o*";`); strings.Contains(h, "one") || strings.Contains(h, "two") || !strings.Contains(h, "three") {
		t.Errorf("deleted:\n%s", h)
	}
	if h := run(`deleteheader "received"; deleteheader "auto-submitted"; addheader "` + LoopField + `" "x";`); h != "" {
		t.Errorf("protected:\n%s", h)
	}
	if h := run("addheader \"X-Folded\" \"one\r\n two\r\n\";"); !strings.HasPrefix(h, "X-Folded: one two\r\n") {
		t.Errorf("folded:\n%s", h)
	}
	if got := actions(t, `addheader "X" "y"; if size :over 398 { discard; }`, newEnv(t, sample), Options{}); got != "discard" {
		t.Error("size without what was added:", got, newEnv(t, sample).Message.Size)
	}
	got := actions(t, `fileinto :copy "a"; addheader "X-A" "b"; if header "x-a" "b" { fileinto :copy "b"; }`, newEnv(t, sample), Options{})
	if got != "fileinto a; fileinto b; implicit" {
		t.Error(got)
	}
}

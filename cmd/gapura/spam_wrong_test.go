package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// spamFiles writes files into a folder of their own.
func spamFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, s := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestSpamCommandsTellWhatIsWrong: each mistake has an answer that names it.
func TestSpamCommandsTellWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := spamFiles(t, map[string]string{
		"m":     "Subject: x\n\nx\n",
		"none":  "",
		"index": "ham m\nspam m\n",
		"maybe": "# comment\nham m\nmaybe m\n",
		"bare":  "ham m\nspam\n",
		"long":  "ham m\n" + strings.Repeat("x", maxIndexLine+1) + "\n",
		"long2": "ham 1\n" + strings.Repeat("x", maxIndexLine+1),
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{1, `maybe:3: "maybe" is neither ham nor spam; a line is`, []string{"score", "--index", at("maybe")}},
		{1, "bare:2: there is no path after the label", []string{"score", "--index", at("bare")}},
		{1, "long:2: the line is longer than 65536 octets", []string{"score", "--index", at("long")}},
		{1, "line 2: the line is longer than 65536 octets", []string{"eval", at("long2")}},
		{1, "model: it does not begin as one", []string{"score", "--model", at("m"), at("m")}},
		{1, "is a directory", []string{"score", "--model", dir, at("m")}},
		{1, "is a folder; name a file in it", []string{"train", "--index", at("index"), "--out", dir}},
		{1, "no such file or directory", []string{"train", "--index", at("index"), "--out", at("nowhere/model")}},
		{1, "none: empty: there is nothing to learn", []string{"learn", "--spam", at("none"), "--model", at("learned.model")}},
		{2, "--reasons is 0 or more", []string{"explain", "--reasons=-5", at("m")}},
	} {
		code, _, errs := runGapura(append([]string{"spam"}, c.args...)...)
		if code != c.code || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: %d %q, want %d %q", c.args, code, errs, c.code, c.want)
		}
	}
	if left, _ := filepath.Glob(at("*.new")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// TestSpamExplainTellsOfRules: the readable signals are reasons too.
func TestSpamExplainTellsOfRules(t *testing.T) {
	t.Parallel()
	code, out, errs := runGapura("spam", "rules", "--json")
	if code != 0 || !strings.Contains(out, `"name"`) {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	dir := spamFiles(t, map[string]string{"m": lureWithRules})
	code, out, errs = runGapura("spam", "explain", "-n", "100", filepath.Join(dir, "m"))
	if code != 0 || !strings.Contains(out, "(rule ") {
		t.Errorf("%d %s %s", code, out, errs)
	}
}

const lureWithRules = `From: "PayPal Service" <service@paypa1-login.example>
To: ann@example.org
Subject: URGENT: your account is suspended
Date: Mon, 01 Jun 2026 10:00:00 +0000
Message-ID: <a1@paypa1-login.example>
MIME-Version: 1.0
Content-Type: text/html

<p>Your account is suspended. Verify your password within 24 hours:
<a href="http://192.0.2.7/login">https://www.paypal.com/</a></p>
`

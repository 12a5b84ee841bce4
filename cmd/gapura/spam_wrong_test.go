package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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
		"json":  `{"label":"ham","score":1}` + "\n" + `{"label":"ham"}` + "\n",
		"brace": "{",
		"lost":  "\ufeffham m\r\nspam m2 1641090391\r\n",
	})
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	shipped, err := os.ReadFile("../../filters/spam/shipped/shipped.model")
	if err == nil {
		err = os.WriteFile(at("model"), append(shipped, "# more"...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{1, `maybe:3: "maybe" is neither ham nor spam; a line is`, []string{"score", "--index", at("maybe")}},
		{1, "bare:2: there is no path after the label", []string{"score", "--index", at("bare")}},
		{1, "long:2: the line is longer than 65536 octets", []string{"score", "--index", at("long")}},
		{1, "line 2: the line is longer than 65536 octets", []string{"eval", at("long2")}},
		{2, "--noise within 0 and 1", []string{"online", "--noise", "nan", at("index")}},
		{2, "--delay is 0 or more", []string{"online", "--delay", "-1", at("index")}},
		{2, "--bootstrap is 0 or more", []string{"eval", "-b", "-1", at("scores")}},
		{1, "model: something follows its end: not a model", []string{"score", "--model", at("model"), at("m")}},
		{1, `line 2: no score`, []string{"eval", at("json")}},
		{1, `line 1: it is no JSON object with label and score`, []string{"eval", at("brace")}},
		{1, "model: it does not begin as one", []string{"score", "--model", at("m"), at("m")}},
		{1, "is a directory", []string{"score", "--model", dir, at("m")}},
		{1, "is a folder; name a file in it", []string{"train", "--index", at("index"), "--out", dir}},
		{1, "no such file or directory", []string{"train", "--index", at("index"), "--out", at("nowhere/model")}},
		{1, "none: empty: there is nothing to learn", []string{"learn", "--spam", at("none"), "--model", at("learned.model")}},
		{1, "lost:2: m2: no such file or directory", []string{"score", "--model", "shipped", "--index", at("lost")}},
		{1, "folder: there is no message in it", []string{"explain", "--model", "shipped", at("folder")}},
		{0, "there is no message in what was named", []string{"score", "--model", "shipped", at("folder")}},
		{2, "--model: shipped is not a file", []string{"learn", "--model", "shipped", "--spam", at("m")}},
		{2, "--specimens within 0 and 100000", []string{"train", "--index", at("index"), "--out", at("model"), "--specimens", "100001"}},
		{2, "--passes is 0 or more", []string{"train", "--index", at("index"), "--out", at("model"), "--passes=-1"}},
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

// TestSpamEvalReadsWhatScorePrints: as lines and as objects, and thresholds below 0.
func TestSpamEvalReadsWhatScorePrints(t *testing.T) {
	t.Parallel()
	dir := spamFiles(t, map[string]string{
		"lines": "ham -3.5 a\nspam -1.5 b\nspam 7 c\n",
		"json":  `{"label":"ham","score":-3.5,"path":"a"}` + "\n" + `{"label":"spam","score":-1.5}` + "\n" + `{"label":"spam","score":7}` + "\n",
	})
	var said []string
	for _, c := range [][]string{{"lines", "-t", "-1.5"}, {"json", "--threshold", "-1.5"}, {"json", "--threshold=-1.5"}} {
		c[0] = filepath.Join(dir, c[0])
		code, out, errs := runGapura(append([]string{"spam", "eval"}, c...)...)
		if code != 0 {
			t.Fatal(c, code, errs)
		}
		_, measures, _ := strings.Cut(out, " ")
		said = append(said, measures)
	}
	if said[0] != said[1] || said[0] != said[2] || !strings.Contains(said[0], "@t=-1.5 hm%=0.000 sm%=0.00") {
		t.Errorf("%q", said)
	}
}

// TestSpamTrainEndsWhenInterrupted: also while it makes messages of its own.
func TestSpamTrainEndsWhenInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&spamTrain{Specimens: maxSpecimens}).specimens(&app{ctx: ctx}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestSpamLearnTellsWhatStays: what was learned before a mistake is reported, for
// it is not taken back.
func TestSpamLearnTellsWhatStays(t *testing.T) {
	t.Parallel()
	files := map[string]string{"gapura.yaml": "hostname: mx.example.org\ndata: data\nlisteners: [{protocol: smtp, address: \"127.0.0.1:0\"}]\ndomains: {example.org: {deliver: mailbox}}\nfilters: [spam]\n"}
	var index strings.Builder
	for i := range lessonsAtOnce {
		name := fmt.Sprintf("m%d", i)
		files[name] = fmt.Sprintf("Message-ID: <%d@example.com>\nSubject: %s\n\nx %d\n", i, name, i)
		fmt.Fprintln(&index, "spam", name)
	}
	files["index"] = index.String() + "maybe m0\n"
	dir := spamFiles(t, files)
	for _, c := range []struct{ what, want string }{{"learn", "learned 0 ham and 100 spam\n"}, {"unlearn", "took back 0 ham and 100 spam\n"}} {
		code, out, errs := runGapura("-c", filepath.Join(dir, "gapura.yaml"), "spam", c.what, "--index", filepath.Join(dir, "index"))
		if code != 1 || out != c.want || !strings.Contains(errs, "index:101: ") {
			t.Errorf("%s: %d %q %q", c.what, code, out, errs)
		}
	}
}

// TestSpamLearnShowsHowFarItIs: on a terminal too, where score and online print
// their lines.
func TestSpamLearnShowsHowFarItIs(t *testing.T) {
	t.Parallel()
	master, tty := openTerminal(t)
	dir := spamFiles(t, map[string]string{"m": "Subject: x\n\nx\n"})
	if code := run([]string{"spam", "learn", "--spam", "--model", filepath.Join(dir, "model"), dir + "/m", dir + "/m", dir + "/m"}, strings.NewReader(""), tty, tty); code != 0 {
		t.Fatal(code)
	}
	tty.Close()
	var shown bytes.Buffer
	_, _ = shown.ReadFrom(master) // ends with EIO
	if !strings.Contains(shown.String(), "%") || !strings.Contains(shown.String(), "learned 0 ham and 3 spam") {
		t.Errorf("%q", shown.String())
	}
}

// TestExplainTellsOfFieldsOfOurs: with them the score is another than that of
// spam explain.
func TestExplainTellsOfFieldsOfOurs(t *testing.T) {
	t.Parallel()
	const sent = "From: ann@example.com\nSubject: x\n\nx\n"
	dir := spamFiles(t, map[string]string{
		"gapura.yaml": "hostname: mx.example.org\ndata: data\nlisteners: [{protocol: smtp, address: \"127.0.0.1:0\"}]\ndomains: {example.org: {deliver: mailbox}}\nfilters: [spam]\n",
		"sent":        sent, "zone": "{}\n",
		"ours":   "Received: from a.example (a.example [192.0.2.1])\n\tby mx.example.org (Gapura) with ESMTP id 1; Mon, 1 Jan 2024 00:00:00 +0000\n" + sent,
		"others": "Received: from a.example (a.example [192.0.2.1])\n\tby mx.example.net with ESMTP id 1; Mon, 1 Jan 2024 00:00:00 +0000\n" + sent,
	})
	for name, want := range map[string]bool{"sent": false, "ours": true, "others": false} {
		code, _, errs := runGapura("-c", dir+"/gapura.yaml", "explain", "--zone", dir+"/zone", "--rcpt", "b@example.org", dir+"/"+name)
		if code != 0 || strings.Contains(errs, "put on top of it") != want {
			t.Errorf("%s: %d %q", name, code, errs)
		}
	}
}

// openTerminal returns both ends of a terminal.
func openTerminal(t *testing.T) (master, tty *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Skip(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Skip(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { tty.Close() })
	return master, tty
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

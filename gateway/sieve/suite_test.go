package sieve

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/test/peers"
)

// TestOwnScripts runs the test scripts in testdata, which pass.
func TestOwnScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/svtest/*.svtest")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		results, err := RunTests(context.Background(), f, Options{})
		if err != nil {
			t.Errorf("%s: %v", f, err)
		}
		for _, r := range results {
			if !r.OK || r.Reason != "" {
				t.Errorf("%s: %s: %s", f, r.Name, r.Reason)
			}
		}
	}
}

// exceptions are the files of Pigeonhole's suite that do not pass, and why.
var exceptions = map[string]string{
	"execute/examples.svtest":                      "the scripts that it compiles are not part of the suite as we have it",
	"extensions/vnd.dovecot/report/errors.svtest":  "vnd.dovecot.report is Dovecot's own extension",
	"extensions/vnd.dovecot/report/execute.svtest": "vnd.dovecot.report is Dovecot's own extension",
	"failures/fuzz1.svtest":                        "asks for a message that is not there: it fails by intent, and must not crash",
	"failures/fuzz2.svtest":                        "the same",
	"failures/fuzz3.svtest":                        "the same",
	"failures/mailbox-bad-utf8.svtest":             "the same",
	"failures/fuzz4.svtest":                        "is no valid script by intent, and must not crash",
}

// TestPigeonholeSuite runs Pigeonhole's test scripts where they are.
func TestPigeonholeSuite(t *testing.T) {
	t.Parallel()
	root := peers.Suite(t, "conformance/sieve-pigeonhole")
	passed, failed := map[string]int{}, map[string]int{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".svtest") {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		dir := filepath.Dir(rel)
		results, err := RunTests(context.Background(), name, Options{})
		var errs Errors
		if err != nil && !errors.As(err, &errs) {
			return err
		}
		ok := err == nil
		for _, r := range results {
			if r.OK {
				passed[dir]++
				continue
			}
			failed[dir]++
			ok = false
			if exceptions[rel] == "" {
				t.Errorf("%s: %s: %s", rel, r.Name, r.Reason)
			}
		}
		if why := exceptions[rel]; ok && why != "" {
			t.Errorf("%s passes: %s?", rel, why)
		} else if !ok && why == "" {
			t.Errorf("%s: %v", rel, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("passed %v, failed %v", passed, failed)
}

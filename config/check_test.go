package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what is got as what is wanted")

// TestMistakes reads the configuration of each case and wants its errors and
// warnings.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/check/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			testMistakes(t, file)
		})
	}
}

func testMistakes(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var in string
	want, got := map[string]string{}, map[string]string{}
	for _, f := range a.Files {
		if f.Name == "gapura.yaml" {
			in = string(f.Data)
		} else {
			want[f.Name] = string(f.Data)
		}
	}
	c, err := Parse("gapura.yaml", []byte(in))
	if err != nil {
		got["errors"] = err.Error() + "\n"
	} else {
		for _, w := range c.Warnings() {
			got["warnings"] += w.Error() + "\n"
		}
	}
	if *update {
		a.Files = a.Files[:1]
		for _, name := range []string{"errors", "warnings"} {
			if got[name] != "" {
				a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(got[name])})
			}
		}
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, name := range []string{"errors", "warnings"} {
		if got[name] != want[name] {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got[name], want[name])
		}
	}
}

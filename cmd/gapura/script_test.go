package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gapura": main, "greeter": greeter})
}

// TestScripts runs testdata/script/*.txtar over the real binary.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		Cmds:          scriptCommands(t),
		UpdateScripts: os.Getenv("UPDATE") != "",
	})
}

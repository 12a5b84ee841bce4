package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// bar shows how far a long command is, where somebody looks: standard error is
// a terminal.
type bar struct{ *progressbar.ProgressBar }

// newBar returns a bar of so many octets; -1: nobody knows.
func (a *app) newBar(what string, octets int64) bar {
	f, ok := a.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return bar{}
	}
	return bar{progressbar.NewOptions64(max(octets, 1),
		progressbar.OptionSetWriter(f), progressbar.OptionSetDescription(what), progressbar.OptionShowBytes(true),
		progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetPredictTime(true),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())}
}

// add says that so many octets are done.
func (b bar) add(n int64) {
	if b.ProgressBar != nil {
		b.Add64(n)
	}
}

// set says how many are done in all.
func (b bar) set(n, of int64) {
	if b.ProgressBar != nil {
		b.ChangeMax64(max(of, 1))
		b.Set64(n)
	}
}

// note prints a line beside the bar.
func (b bar) note(w io.Writer, format string, args ...any) {
	if b.ProgressBar != nil {
		b.Clear()
	}
	fmt.Fprintf(w, format+"\n", args...)
}

// end takes the bar away.
func (b bar) end() {
	if b.ProgressBar != nil {
		b.Finish()
	}
}

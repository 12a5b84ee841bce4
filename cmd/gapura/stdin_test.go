package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
)

func TestStandardInputIsReadWhole(t *testing.T) {
	t.Parallel()
	want := strings.Repeat("0123456789", 30000)
	a := &app{ctx: t.Context(), stdin: iotest.DataErrReader(strings.NewReader(want))}
	if got, err := io.ReadAll(a.openStdin()); err != nil || string(got) != want {
		t.Errorf("%d octets, %v", len(got), err)
	}
	broken := errors.New("broken")
	a.stdin = io.MultiReader(strings.NewReader("x"), iotest.ErrReader(broken))
	if got, err := io.ReadAll(a.openStdin()); !errors.Is(err, broken) || string(got) != "x" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAnInterruptEndsReadsOfStandardInput(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	defer w.Close()
	a := &app{ctx: ctx, stdin: r}
	done := make(chan error)
	go func() {
		_, err := io.ReadAll(a.openStdin())
		done <- err
	}()
	if _, err := w.Write([]byte("half a message")); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestAPipeIsWaitedForNoLongerThanAsked: nobody may ever write there.
func TestAPipeIsWaitedForNoLongerThanAsked(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	f, err := openFile(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := io.ReadAll(f)
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	w, err := os.OpenFile(name, os.O_RDWR, 0) // who still waits to open it goes
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if f, err = openFile(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	w.WriteString("a message")
	b := make([]byte, 9)
	if _, err := io.ReadFull(f, b); err != nil || string(b) != "a message" {
		t.Errorf("%q, %v", b, err)
	}
}

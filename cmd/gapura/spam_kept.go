package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/gapura-mail/gapura/filters/spam/model"
)

// keptVectors are features of messages in a file that nobody sees: in memory
// those of 100,000 messages take 2 GiB.
type keptVectors struct {
	f    *os.File
	end  int64
	buf  []byte
	room sync.Pool // of *[]byte
}

// keepVectors makes the file beside another, where there is room for more than
// in folders for what is temporary, which may be in memory.
func keepVectors(beside string) (*keptVectors, error) {
	f, err := os.CreateTemp(filepath.Dir(beside), ".gapura-train-")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(f.Name()) // it is there as long as it is open, and not after a kill
	return &keptVectors{f: f, room: sync.Pool{New: func() any { return new([]byte) }}}, nil
}

// keep writes a vector, and returns how it is read.
func (k *keptVectors) keep(v *model.Vector) (func(*model.Vector) error, error) {
	k.buf = v.Ordered(k.buf[:0])
	at, n := k.end, len(k.buf)
	if _, err := k.f.WriteAt(k.buf, at); err != nil {
		return nil, fmt.Errorf("features of messages: %w", err)
	}
	k.end += int64(n)
	return func(v *model.Vector) error {
		b := k.room.Get().(*[]byte)
		defer k.room.Put(b)
		if cap(*b) < n {
			*b = make([]byte, n)
		}
		if _, err := k.f.ReadAt((*b)[:n], at); err != nil {
			return fmt.Errorf("features of messages: %w", err)
		}
		return v.SetOrdered((*b)[:n])
	}, nil
}

// close frees the file.
func (k *keptVectors) close() { k.f.Close() }

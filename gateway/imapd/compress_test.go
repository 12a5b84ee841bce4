package imapd

import (
	"bytes"
	"compress/flate"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"
)

var never time.Time

// parts are what a client may send between two waits.
func parts(r *rand.Rand) [][]byte {
	var list [][]byte
	for range 60 {
		b := make([]byte, r.IntN(200)+1)
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		switch r.IntN(5) {
		case 0: // compresses well
			b = []byte(strings.Repeat("FETCH ", r.IntN(9000)+1))
		case 1: // what looks like the mark of a block's end
			b = []byte{0, 0, 0xff, 0xff}
		case 2:
			b = bytes.Repeat([]byte{0, 0, 0xff, 0xff, 7}, r.IntN(30)+1)
		}
		list = append(list, b)
	}
	return list
}

// TestCompressedOctetsComeThrough, whatever they are, however they are cut; and
// between two parts nothing but the window is held.
func TestCompressedOctetsComeThrough(t *testing.T) {
	t.Parallel()
	for _, level := range []int{flate.NoCompression, flate.HuffmanOnly, flate.BestSpeed, flate.DefaultCompression} {
		r := rand.New(rand.NewPCG(uint64(level+10), 7))
		near, far := net.Pipe()
		d := &deflated{Conn: far}
		list := parts(r)
		sent, read := make(chan []byte), make(chan bool)
		go func() {
			defer near.Close()
			z, _ := flate.NewWriter(near, level)
			for _, p := range list {
				sent <- p
				z.Write(p)
				z.Flush()
				<-read
			}
		}()
		for range list {
			want := <-sent
			got := make([]byte, len(want))
			for n := 0; n < len(got); {
				k, err := d.Read(got[n : n+1+r.IntN(len(got)-n)])
				if n += k; err != nil {
					t.Fatalf("level %d: %v", level, err)
				}
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("level %d: %.80q, want %.80q", level, got, want)
			}
			// Waiting for the next part, which a wake may interrupt anywhere,
			// gives all back.
			for {
				far.SetReadDeadline(time.Now().Add(time.Millisecond))
				n, err := d.Read(make([]byte, 1))
				if n != 0 || err == nil {
					t.Fatalf("%d, %v while nothing was sent", n, err)
				}
				select {
				case read <- true:
				default:
					continue
				}
				break
			}
			far.SetReadDeadline(never)
			if d.buf != nil || cap(d.z.window) > flateWindow {
				t.Fatalf("level %d: holds %v %d", level, d.buf, cap(d.z.window))
			}
		}
	}
}

func TestWhatIsWrittenCanBeRead(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	d := &deflated{Conn: far}
	list := append(parts(rand.New(rand.NewPCG(1, 2))), bytes.Repeat([]byte("large "), 100_000))
	go func() {
		defer far.Close()
		for _, p := range list {
			if n, err := d.Write(p); n != len(p) || err != nil {
				t.Error(n, err)
			}
		}
	}()
	z := flate.NewReader(near)
	for _, want := range list {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(z, got); err != nil || !bytes.Equal(got, want) {
			t.Fatal(err)
		}
	}
}

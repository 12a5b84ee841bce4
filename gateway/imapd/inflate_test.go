package imapd

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"testing"
)

// inflateAll decodes data that comes in pieces of step octets.
func inflateAll(data []byte, step, most int) ([]byte, error) {
	var z inflater
	var out, in []byte
	for len(out) < most {
		err := z.decode(&in)
		out = append(out, z.window[z.told:]...)
		z.told = len(z.window)
		switch {
		case errors.Is(err, errFinal):
			return out, nil
		case errors.Is(err, errMore):
			z.rest()
			if len(data) == 0 {
				return out, io.ErrUnexpectedEOF
			}
			k := min(step, len(data))
			in, data = append(in[:len(in):len(in)], data[:k]...), data[k:]
		case err != nil:
			return out, err
		}
	}
	return out[:most], io.ErrShortBuffer
}

// FuzzInflate: what the standard library reads is read alike, however it is
// cut, and what it refuses is refused.
func FuzzInflate(f *testing.F) {
	for _, level := range []int{0, 1, 6, -2} {
		var b bytes.Buffer
		w, _ := flate.NewWriter(&b, level)
		w.Write(bytes.Repeat([]byte("a FETCH 1:* (FLAGS)\r\n"), 300))
		w.Flush()
		w.Write([]byte("b NOOP\r\n"))
		w.Close()
		f.Add(b.Bytes(), uint8(1))
		f.Add(b.Bytes(), uint8(50))
	}
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		const most = 1 << 20
		want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), most))
		got, err := inflateAll(data, int(step)%512+1, most)
		if wantErr == nil && len(want) < most && (err != nil || !bytes.Equal(got, want)) {
			t.Errorf("%v; %d octets, want %d", err, len(got), len(want))
		}
		if wantErr != nil && err == nil {
			t.Errorf("taken, but for the standard library: %v", wantErr)
		}
	})
}

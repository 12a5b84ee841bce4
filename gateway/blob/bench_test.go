package blob

import (
	"bytes"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"
)

// cpu reports the processor time of an operation: on a busy machine it says
// more than the time that passed. The returned function ends the measurement.
func cpu(b *testing.B) func() {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	begin := used()
	return func() { b.ReportMetric(float64((used()-begin).Microseconds())/float64(b.N), "cpu-us/op") }
}

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{4 << 10, 50 << 10, 1 << 20} {
		for _, writers := range []int{1, 20, 200} {
			b.Run(fmt.Sprintf("%dKiB/%d", size>>10, writers), func(b *testing.B) {
				s, err := OpenFiles(b.Context(), Options{Dir: b.TempDir()}, nil)
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				data := octets(1, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				work := make(chan struct{}, writers)
				var wg sync.WaitGroup
				b.ResetTimer()
				defer cpu(b)()
				for range writers {
					wg.Go(func() {
						for range work {
							if _, err := s.Append(b.Context(), "01J00000000000000000000000", int64(size), bytes.NewReader(data)); err != nil {
								b.Error(err)
							}
						}
					})
				}
				for range b.N {
					work <- struct{}{}
				}
				close(work)
				wg.Wait()
			})
		}
	}
}

package sqldb

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
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

func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 20, 200} {
		b.Run(fmt.Sprint(writers), func(b *testing.B) {
			db := migrated(b, open(b, Options{Dir: b.TempDir()}))
			b.ReportAllocs()
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			defer cpu(b)()
			for range writers {
				wg.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						err := db.Write(b.Context(), func(ctx context.Context, tx *Tx) error {
							if _, err := tx.Exec(ctx, "INSERT INTO t_item (name, n) VALUES (?, ?)", fmt.Sprintf("01J000000%09d", i), i); err != nil {
								return err
							}
							_, err := tx.Exec(ctx, "INSERT INTO t_item (name, n) VALUES (?, ?)", fmt.Sprintf("01J100000%09d", i), i)
							return err
						})
						if err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

package queue

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// null takes everything.
type null struct {
	n    atomic.Int64
	want int64
	done chan struct{}
}

func (x *null) Deliver(_ context.Context, j *Job) []Outcome {
	r, err := j.Open()
	if err != nil {
		panic(err)
	}
	r.(io.WriterTo).WriteTo(io.Discard)
	r.Close()
	if x.n.Add(1) == x.want {
		close(x.done)
	}
	return []Outcome{delivered}
}

// BenchmarkQueue commits messages and delivers them to nowhere, with as many
// committers at once as the name says.
func BenchmarkQueue(b *testing.B) {
	for _, sessions := range []int{1, 20, 200} {
		b.Run(fmt.Sprint(sessions), func(b *testing.B) { benchmarkQueue(b, sessions, func(int) string { return "b@example.net" }) })
	}
	b.Run("destinations", func(b *testing.B) {
		benchmarkQueue(b, 20, func(i int) string { return fmt.Sprintf("b@d%d.example", i%10_000) })
	})
}

func benchmarkQueue(b *testing.B, sessions int, to func(i int) string) {
	l := newLab(b, Options{})
	body := "Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 78)+"\r\n", 51)
	next := &null{want: int64(b.N), done: make(chan struct{})}
	l.q.SetTransports(map[string]Transport{"out": next})
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	b.ResetTimer()
	cpu := cpuTime()
	var wg sync.WaitGroup
	var i atomic.Int64
	for range sessions {
		wg.Go(func() {
			for {
				k := int(i.Add(1))
				if k > b.N {
					return
				}
				c := &gateway.Copy{
					ID: ulid.Make().String(), Size: int64(len(body)),
					From:  smtp.ReversePath{Address: smtp.Address{Local: "a", Domain: "example.org"}},
					Rcpts: []gateway.Recipient{{To: smtp.ForwardPath{Address: address(to(k))}}},
					Open:  func() io.ReadCloser { return io.NopCloser(strings.NewReader(body)) },
				}
				d := l.q.Delivery("out")
				if _, err := d.Commit(context.Background(), c); err != nil {
					b.Error(err)
				}
				d.Abort()
			}
		})
	}
	wg.Wait()
	<-next.done
	b.ReportMetric(float64(l.q.journal.commits.Load())/float64(b.N), "commits/msg")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	b.ReportMetric(float64((cpuTime()-cpu).Microseconds())/float64(b.N), "cpu-us/msg")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

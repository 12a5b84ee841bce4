package deadline

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// ways are how a context may be used; each ends the same.
var ways = map[string]func(c context.Context) error{
	"asked only": func(c context.Context) error { return c.Err() },
	"waited for": func(c context.Context) error { <-c.Done(); return c.Err() },
	"child": func(c context.Context) error {
		c, cancel := context.WithCancel(c)
		defer cancel()
		<-c.Done()
		return c.Err()
	},
	"cause":     func(c context.Context) error { return context.Cause(c) },
	"own child": func(c context.Context) error { o := Cancellable(c); defer o.Cancel(); <-o.Done(); return o.Err() },
}

func TestEndsLikeThoseOfPackageContext(t *testing.T) {
	for name, wait := range ways {
		for early, first := range map[string]bool{"before": true, "after": false} {
			t.Run(name+"/waited "+early, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					look := func(c context.Context, end func(), want error) {
						t.Helper()
						if first {
							c.Done()
						}
						if c.Err() != nil {
							t.Errorf("ended early: %v", c.Err())
						}
						end()
						synctest.Wait()
						for range 2 {
							if err := wait(c); !errors.Is(err, want) {
								t.Errorf("got %v, want %v", err, want)
							}
						}
					}
					past := func() { time.Sleep(time.Minute) }
					c := After(t.Context(), time.Minute)
					look(c, past, context.DeadlineExceeded)
					c.Cancel()
					look2(t, c, context.DeadlineExceeded)

					c = After(t.Context(), time.Minute)
					look(c, c.Cancel, context.Canceled)
					past()
					look2(t, c, context.Canceled)

					c = Cancellable(t.Context())
					look(c, c.Cancel, context.Canceled)

					parent, cancel := context.WithCancel(t.Context())
					c = After(parent, time.Minute)
					look(c, cancel, context.Canceled)
					c.Cancel()

					parent, cancel = context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					c = After(parent, time.Hour)
					if d, ok := c.Deadline(); !ok || time.Until(d) != time.Second {
						t.Error("the parent's deadline is nearer")
					}
					look(c, past, context.DeadlineExceeded)
					c.Cancel()
				})
			})
		}
	}
}

// look2 says that what has ended stays ended as it was.
func look2(t *testing.T, c *Context, want error) {
	t.Helper()
	<-c.Done()
	if c.Err() != want {
		t.Errorf("now it is %v, was %v", c.Err(), want)
	}
}

func TestValuesAreTheParents(t *testing.T) {
	type key struct{}
	c := Cancellable(context.WithValue(t.Context(), key{}, 1))
	defer c.Cancel()
	if c.Value(key{}) != 1 {
		t.Error("no value before somebody waits")
	}
	c.Done()
	if c.Value(key{}) != 1 {
		t.Error("no value after")
	}
}

func TestCostsOneAllocationUntilSomebodyWaits(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := testing.AllocsPerRun(100, func() {
		c := After(ctx, time.Minute)
		if c.Err() != nil {
			t.Fatal("ended")
		}
		c.Cancel()
	})
	if n > 1 {
		t.Errorf("%v allocations", n)
	}
}

package plugins

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	opt := options("any")
	opt.Limits = Limits{Memory: 300 << 20, Files: 50}
	if raceEnabled {
		opt.Limits.Memory = 0
	}
	p, _ := start(t, opt, soon)
	v, err := check(p, t.Context(), "files")
	if err != nil || !strings.Contains(v.Facts[0].Value.(string), "too many open files") {
		t.Errorf("files: %v, %v", v, err)
	}
	if raceEnabled {
		return
	}
	if v, err := check(p, t.Context(), "memory"); err == nil {
		t.Errorf("a plugin took %s of memory", v.Facts[0].Value)
	}
	eventually(t, "restart", func() bool { return p.Status().Restarts == 1 })
}

func TestConcurrencyIsLimited(t *testing.T) {
	t.Parallel()
	opt := options("any")
	opt.MaxConcurrent = 1
	p, _ := start(t, opt, soon)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := check(p, ctx, "hang")
		done <- err
	}()
	eventually(t, "the place is taken", func() bool { return len(p.calls) == 1 })
	short, stop := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer stop()
	if _, err := check(p, short, "good"); err == nil || !strings.Contains(err.Error(), "too many calls") {
		t.Errorf("%v", err)
	}
	cancel()
	<-done
}

func TestWhatItPrintsIsLoggedWithinBounds(t *testing.T) {
	t.Parallel()
	p, l := start(t, options("any"), soon)
	if _, err := check(p, t.Context(), "print"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "lines are logged", func() bool {
		return strings.Contains(l.String(), "printed line") && strings.Contains(l.String(), "error line")
	})
	began := time.Now()
	if _, err := check(p, t.Context(), "flood"); err != nil {
		t.Fatal(err)
	}
	_ = p.Close()
	// Each line that is let through may have a notice of those that were not.
	most := logBurst + 100 + int(2*logPerSecond*time.Since(began).Seconds())
	if n := strings.Count(l.String(), "\n"); n > most {
		t.Errorf("%d lines were logged, more than %d", n, most)
	}
}

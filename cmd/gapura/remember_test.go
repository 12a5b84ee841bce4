package main

import (
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnswersAreRememberedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := remember[int](5*time.Second, 100)
		asked := 0
		ask := func() (int, error) { asked++; return asked, nil }
		want := func(n int) {
			t.Helper()
			if got, err := r.get("a", ask); got != n || err != nil {
				t.Errorf("%d, %v; want %d", got, err, n)
			}
		}
		want(1)
		time.Sleep(4 * time.Second)
		want(1)
		time.Sleep(5 * time.Second) // in the older half by now
		want(1)
		time.Sleep(5 * time.Second)
		want(2)
		time.Sleep(time.Hour)
		want(3)
		for i := range 1000 {
			r.get(strconv.Itoa(i), ask)
			if n := len(r.now) + len(r.old); n > 200 {
				t.Fatalf("%d are remembered", n)
			}
		}
		if _, err := r.get("b", func() (int, error) { return 0, errors.New("x") }); err == nil {
			t.Error("no error")
		}
		if got, _ := r.get("b", func() (int, error) { return 7, nil }); got != 7 {
			t.Error("an error was remembered")
		}
	})
}

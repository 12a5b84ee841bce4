package outbound

import (
	"fmt"

	"github.com/gapura-mail/gapura/gateway/queue"
)

// way is where mail goes first: by MX, or to smart hosts in order.
type way struct {
	mx    bool
	hosts []*target
	key   string // tells the ways of one configuration apart
}

// routing finds the way of a job.
type routing struct {
	main way
}

func newRouting(o Options) (*routing, error) {
	r := &routing{}
	var err error
	if r.main, err = newWay("", o.Route); err != nil {
		return nil, err
	}
	return r, nil
}

func newWay(key, route string) (way, error) {
	if route == "mx" {
		return way{mx: true, key: key}, nil
	}
	t, err := parseTarget(route)
	if err != nil {
		return way{}, fmt.Errorf("route: %w", err)
	}
	return way{hosts: []*target{t}, key: key}, nil
}

// of returns the way of a job.
func (r *routing) of(*queue.Job) *way { return &r.main }

package outbound

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Shape is how much mail some destinations get. It holds for all that one
// operator takes mail for: for the mail exchangers that it names together, and
// from each of our source addresses.
type Shape struct {
	// Name under which its destinations are known, in logs and rules. Default:
	// the domain of the mail exchanger.
	Name string `yaml:"name"`
	// Mail exchangers that it is for: a host, or *.domain for what is below it.
	MX []string `yaml:"mx"`
	// Recipients' domains that it is for, whoever their exchanger is.
	Domains []string `yaml:"domains"`
	// Connections at the same time.
	Connections int `yaml:"connections"`
	// Messages over one connection.
	Messages int `yaml:"messages"`
	// Messages in a time, such as 100/1m or 20/s. Default: no limit.
	Rate Rate `yaml:"rate"`
	// Whether messages are sent by BDAT where CHUNKING is offered. Default: as
	// for all.
	Chunking *bool `yaml:"chunking"`
}

// Rate is a number of messages in a time; the zero value is no limit.
type Rate struct {
	N   int
	Per time.Duration
}

// String writes the rate as it is read.
func (r Rate) String() string {
	if r.N == 0 {
		return ""
	}
	per := r.Per.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(per, zero) {
			per = per[:len(per)-2]
		}
	}
	return strconv.Itoa(r.N) + "/" + per
}

// MarshalText writes what UnmarshalText reads.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads 100/1m, or 20/s for 20/1s.
func (r *Rate) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*r = Rate{}
		return nil
	}
	num, per, ok := strings.Cut(string(b), "/")
	n, err := strconv.Atoi(strings.TrimSpace(num))
	per = strings.TrimSpace(per)
	if strings.TrimLeft(per, "smh") == "" {
		per = "1" + per
	}
	d, derr := time.ParseDuration(per)
	if !ok || err != nil || derr != nil || n < 1 || d <= 0 || d > 24*time.Hour {
		return fmt.Errorf("%q is no rate: write it like 100/1m or 20/s, up to 24h", b)
	}
	*r = Rate{n, d}
	return nil
}

// interval is the time that each message stands for.
func (r Rate) interval() time.Duration {
	if r.N == 0 {
		return 0
	}
	return max(r.Per/time.Duration(r.N), 1)
}

// burst is how far messages may be ahead of the rate: a tenth of it.
func (r Rate) burst() time.Duration { return r.interval() * time.Duration(max(r.N/10-1, 0)) }

// shape is a Shape that was read.
type shape struct {
	Shape
	mx, domains names
}

// shapes are those of the configuration, then those of rule files.
type shapes struct {
	list []shape
	rest Shape // for all other destinations
}

// maxShapes bounds the list that every new plan goes through.
const maxShapes = 1000

func (s *shapes) add(list []Shape) error {
	if len(s.list)+len(list) > maxShapes {
		return fmt.Errorf("shapes: more than %d", maxShapes)
	}
	for i, x := range list {
		y := shape{Shape: x}
		var err error
		if y.mx, err = newNames(x.MX); err == nil {
			y.domains, err = newNames(x.Domains)
		}
		switch {
		case err != nil:
			return fmt.Errorf("shapes[%d]: %w", i, err)
		case y.mx.empty() && y.domains.empty():
			return fmt.Errorf("shapes[%d]: needs mx or domains", i)
		case x.Connections < 0 || x.Messages < 0:
			return fmt.Errorf("shapes[%d]: is negative", i)
		}
		s.list = append(s.list, y)
	}
	return nil
}

// of returns the shape of a destination's host and the name of its site. What
// a shape leaves open, the next one that fits says.
func (s *shapes) of(domain, host string) (string, Shape) {
	found, name := Shape{}, ""
	for i := range s.list {
		x := &s.list[i]
		if !x.mx.has(host) && !x.domains.has(domain) {
			continue
		}
		if name == "" {
			name = x.Name
		}
		found.fill(&x.Shape)
	}
	found.fill(&s.rest)
	if name == "" {
		name = site(host)
	}
	return name, found
}

// fill takes from x what s leaves open.
func (s *Shape) fill(x *Shape) {
	if s.Connections == 0 {
		s.Connections = x.Connections
	}
	if s.Messages == 0 {
		s.Messages = x.Messages
	}
	if s.Rate.N == 0 {
		s.Rate = x.Rate
	}
	s.Chunking = either(s.Chunking, x.Chunking)
}

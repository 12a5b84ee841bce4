package mtasts

import (
	"fmt"
	"testing"
)

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	c := &Cache{memory: map[string]*known{}}
	for i := range 2000 {
		name := fmt.Sprintf("d%d.example", i)
		c.remember(name, &known{entry: &entry{domain: name, text: make([]byte, MaxPolicy)}})
		if c.size > maxMemory || c.memory[name] == nil {
			t.Fatalf("%d octets, %d domains", c.size, len(c.memory))
		}
	}
	for name := range c.memory {
		c.remember(name, &known{})
		c.forget(name)
	}
	if c.size != 0 {
		t.Errorf("%d octets of nothing", c.size)
	}
}

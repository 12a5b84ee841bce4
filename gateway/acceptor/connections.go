package acceptor

import (
	"net/netip"
	"sync"
)

// Connections counts open connections, in all and by client network: an IPv4
// address or an IPv6 /64. One may be shared by several servers.
type Connections struct {
	mu         sync.Mutex
	max, perIP int
	open       int
	by         map[netip.Addr]int
}

// NewConnections returns a counter for at most max connections, perIP from
// one network; zero or negative means no bound.
func NewConnections(max, perIP int) *Connections {
	return &Connections{max: max, perIP: perIP, by: make(map[netip.Addr]int)}
}

// SetLimits changes the bounds; connections that are open stay.
func (c *Connections) SetLimits(max, perIP int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.max, c.perIP = max, perIP
}

// Open returns how many connections are open.
func (c *Connections) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// add takes a place for a connection.
func (c *Connections) add() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.max > 0 && c.open >= c.max {
		return false
	}
	c.open++
	return true
}

// remove gives back what add took.
func (c *Connections) remove() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
}

// addIP takes a place for a connection from ip, once its address is known.
func (c *Connections) addIP(ip netip.Addr) bool {
	if !ip.IsValid() {
		return true
	}
	ip = network(ip)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.perIP > 0 && c.by[ip] >= c.perIP {
		return false
	}
	c.by[ip]++
	return true
}

// removeIP gives back what addIP took.
func (c *Connections) removeIP(ip netip.Addr) {
	if !ip.IsValid() {
		return
	}
	ip = network(ip)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by[ip]--; c.by[ip] <= 0 {
		delete(c.by, ip)
	}
}

// network returns what connections are counted by.
func network(ip netip.Addr) netip.Addr {
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		p, err := ip.Prefix(64)
		if err == nil {
			return p.Addr()
		}
	}
	return ip
}

// Contains tells whether one of the networks holds ip.
func Contains(list []netip.Prefix, ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	for _, p := range list {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

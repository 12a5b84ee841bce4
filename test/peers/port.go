package peers

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

var portsGiven sync.Map

// FreePort returns a port that nobody listens on, below those that the system
// hands out by itself and none that it has returned before, so that nobody gets
// it before its server does.
func FreePort() (int, error) {
	for range 100 {
		port := 18000 + rand.IntN(14000)
		if _, given := portsGiven.LoadOrStore(port, true); given {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			continue
		}
		u, err := net.ListenPacket("udp", fmt.Sprintf(":%d", port))
		l.Close()
		if err != nil {
			continue
		}
		u.Close()
		return port, nil
	}
	return 0, errors.New("no port is free")
}

package mailauth

import "sync"

// Bounds of a KeyCache, about 6 MiB in all.
const (
	maxKnownKeys = 2048
	maxKnownKey  = 1024 // octets of a record; RSA keys of 4096 bits fit in
)

// KeyCache remembers key records by their text, since the same few signers
// send most mail and reading a key costs a tenth of using it. Nil remembers
// nothing. Records are shared: they must not be changed.
type KeyCache struct {
	mu      sync.Mutex
	records map[string]*KeyRecord
}

// Parse is ParseKeyRecord from memory.
func (c *KeyCache) Parse(txt string) (*KeyRecord, error) {
	if c == nil {
		return ParseKeyRecord(txt)
	}
	c.mu.Lock()
	k := c.records[txt]
	c.mu.Unlock()
	if k != nil {
		return k, nil
	}
	k, err := ParseKeyRecord(txt)
	if err != nil || len(txt) > maxKnownKey {
		return k, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.records == nil {
		c.records = make(map[string]*KeyRecord)
	}
	if len(c.records) >= maxKnownKeys {
		for old := range c.records { // any one: what is used comes back
			delete(c.records, old)
			break
		}
	}
	c.records[txt] = k
	return k, nil
}

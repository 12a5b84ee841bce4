package cert

import (
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	maxPairs    = 1000    // certificates
	maxFileSize = 1 << 20 // octets of a PEM file
)

// files is the source of certificates that somebody else renews.
type files []Pair

// state tells size, time and inode of every file. os.Stat follows the symbolic
// links by which ACME clients and Kubernetes switch files.
func (f files) state() string {
	var b strings.Builder
	for _, p := range f {
		for _, name := range []string{p.Certificate, p.Key} {
			b.WriteString(fileState(name))
		}
	}
	return b.String()
}

func fileState(name string) string {
	fi, err := os.Stat(name)
	if err != nil {
		return "-;"
	}
	return fmt.Sprintf("%d %d %d;", fi.Size(), fi.ModTime().UnixNano(), inode(fi))
}

func (f files) load() ([]*tls.Certificate, string, error) {
	state := f.state() // first: what changes while we read is seen next time
	certs := make([]*tls.Certificate, 0, len(f))
	for _, p := range f {
		c, err := loadPair(p)
		if err != nil {
			return nil, state, err
		}
		certs = append(certs, c)
	}
	return certs, state, nil
}

func loadPair(p Pair) (*tls.Certificate, error) {
	chain, err := read(p.Certificate)
	if err != nil {
		return nil, err
	}
	key, err := read(p.Key)
	if err != nil {
		return nil, err
	}
	c, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("cert: %s with %s: %w", p.Certificate, p.Key, err)
	}
	return &c, nil
}

func read(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cert: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("cert: %w", err)
	}
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("cert: %s is larger than %d octets", name, maxFileSize)
	}
	return data, nil
}

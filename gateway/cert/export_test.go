package cert

import "crypto/x509"

// Leaves returns the certificates in use, in configured order.
func (s *Store) Leaves() []*x509.Certificate {
	set := s.set.Load()
	leaves := make([]*x509.Certificate, len(set.all))
	for i, c := range set.all {
		leaves[i] = c.Leaf
	}
	return leaves
}

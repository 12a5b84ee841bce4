package mailbox

// Of contents.go, for tests.
var EachObject = (*View).eachObject

// Among is what the search asks of long lists.
var Among = among

// InFlight counts the objects whose rows may still be to come.
func InFlight(s *Store) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.inFlight)
}

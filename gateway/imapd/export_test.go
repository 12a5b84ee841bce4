package imapd

import "time"

// SetPace says how often a long search says that it goes on.
func (s *Server) SetPace(d time.Duration) { s.pace = d }

package index

import "bytes"

const maxBaseSubject = 1000 // octets that are looked at

// baseSubject extracts the base subject of a folded text (RFC 5256 section
// 2.1); reply tells whether it is that of a reply or forward. The result may
// be part of s.
func baseSubject(s []byte) (base []byte, reply bool) {
	s = oneSpace(s[:min(len(s), maxBaseSubject)])
	for {
		s, reply = trimTrailer(s, reply)
		for more := true; more; {
			var leader, blob bool
			s, leader = trimLeader(s)
			reply = reply || leader
			s, blob = trimBlob(s)
			more = leader || blob
		}
		inner, ok := bytes.CutPrefix(s, []byte("[FWD:"))
		if !ok || len(s) == 0 || s[len(s)-1] != ']' {
			return s, reply
		}
		s, reply = inner[:len(inner)-1], true
	}
}

// oneSpace makes all runs of white space one space each (step 1).
func oneSpace(s []byte) []byte {
	clean := true
	for i, c := range s {
		if c == '\t' || c == '\r' || c == '\n' || c == ' ' && (i == 0 || s[i-1] == ' ') {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	return bytes.Join(bytes.Fields(s), []byte(" "))
}

// trimTrailer removes "(fwd)" and white space at the end (step 2).
func trimTrailer(s []byte, reply bool) ([]byte, bool) {
	for {
		s = bytes.TrimRight(s, " ")
		short, ok := bytes.CutSuffix(s, []byte("(FWD)"))
		if !ok {
			return s, reply
		}
		s, reply = short, true
	}
}

// trimLeader removes "re:", "fw:" and "fwd:" with what may be before the
// colon and before them (step 3).
func trimLeader(s []byte) (_ []byte, leader bool) {
	for {
		s = bytes.TrimLeft(s, " ")
		rest := s
		for n := blob(rest); n > 0; n = blob(rest) {
			rest = rest[n:]
		}
		switch {
		case bytes.HasPrefix(rest, []byte("RE")):
			rest = rest[2:]
		case bytes.HasPrefix(rest, []byte("FWD")):
			rest = rest[3:]
		case bytes.HasPrefix(rest, []byte("FW")):
			rest = rest[2:]
		default:
			return s, leader
		}
		rest = bytes.TrimLeft(rest, " ")
		rest = rest[blob(rest):]
		if len(rest) == 0 || rest[0] != ':' {
			return s, leader
		}
		s, leader = rest[1:], true
	}
}

// trimBlob removes "[...]" unless nothing would be left (step 4).
func trimBlob(s []byte) ([]byte, bool) {
	if n := blob(s); n > 0 && n < len(s) {
		return s[n:], true
	}
	return s, false
}

// blob is the length of "[...]" at the beginning of s with the white space
// after it.
func blob(s []byte) int {
	if len(s) == 0 || s[0] != '[' {
		return 0
	}
	n := bytes.IndexAny(s[1:], "[]")
	if n < 0 || s[1+n] == '[' {
		return 0
	}
	for n += 2; n < len(s) && s[n] == ' '; n++ {
	}
	return n
}

package text

import (
	"unicode"
	"unicode/utf8"
)

// isID tells of words that no one says: many turns between letters and
// digits, or long and with digits.
func isID(w []byte, digits, turns int) bool {
	return len(w) >= 6 && digits >= 2 && turns >= 3 && turns*2+digits > 6 || len(w) >= 12 && digits >= 2 || len(w) > MaxWord
}

// cutWord cuts to MaxWord octets, at a letter.
func cutWord(w []byte) []byte {
	if len(w) <= MaxWord {
		return w
	}
	return trimPartial(w[:MaxWord])
}

// number handles digits; sign is '$' after a sign of money.
func (s *splitter) number(sign byte) bool {
	b, from := s.b, s.i
	i, whole, digits := from, 0, 0
	point := false
	for i < len(b) {
		c := b[i]
		switch {
		case isDigit(c):
			digits++
			if !point {
				whole++
			}
		case (c == '.' || c == ',') && i+1 < len(b) && isDigit(b[i+1]):
			// A point before exactly three digits groups.
			if !(i+3 < len(b) && isDigit(b[i+2]) && isDigit(b[i+3]) && (i+4 >= len(b) || !isDigit(b[i+4]))) {
				point = true
			}
		default:
			goto done
		}
		i++
	}
done:
	if sign == 0 && i < len(b) && wordClass[b[i]] == wLetter {
		return s.mixed(from, i)
	}
	s.i = i
	switch {
	case sign == '$', s.moneyAfter(i):
		return s.yield(numberClass(1, whole))
	case i < len(b) && b[i] == '%':
		s.i++
		return s.yield(numberClass(2, whole))
	case i-from <= 3 && digits == i-from:
		return s.yield(b[from:i:i])
	case digits == 4 && i-from == 4 && (b[from] == '1' && b[from+1] == '9' || b[from] == '2' && b[from+1] == '0'):
		return s.yield(classYear)
	}
	return s.yield(numberClass(0, digits))
}

// numberClass is the class of a number of so many digits.
func numberClass(kind, digits int) []byte {
	n := max(1, min(digits, 9))*2 - 2
	return byDigits[kind][n : n+2 : n+2]
}

// moneyAfter knows amounts written before their currency.
func (s *splitter) moneyAfter(i int) bool {
	b := s.b[i:]
	if len(b) > 0 && b[0] == ' ' {
		b = b[1:]
	}
	if len(b) == 0 {
		return false
	}
	if b[0] >= utf8.RuneSelf {
		r, _ := utf8.DecodeRune(b)
		return unicode.Is(unicode.Sc, r)
	}
	if len(b) < 3 || len(b) > 3 && isWordByte(b[3]) {
		return len(b) > 0 && b[0] == '$'
	}
	switch string(b[:3]) {
	case "usd", "eur", "gbp", "chf", "aud", "cad", "btc", "inr", "jpy", "cny", "rub", "brl", "mxn", "zar":
		return true
	}
	return b[0] == '$'
}

// mixed handles a word that begins with digits: 3d, 1st, 0ffer, 5f3e...
func (s *splitter) mixed(from, i int) bool {
	b := s.b
	for from < i && !isDigit(b[from]) {
		from++
	}
	digits, turns, last := 0, 0, wDigit
	i = from
	for i < len(b) && (wordClass[b[i]] == wLetter || wordClass[b[i]] == wDigit) {
		k := wordClass[b[i]]
		if k == wDigit {
			digits++
		}
		if k != last {
			turns++
			last = k
		}
		i++
	}
	if i == from { // "1,5x": what stands before the letters was no word
		s.i = i + 1
		return true
	}
	s.i = i
	w := b[from:i:i]
	if isID(w, digits, turns) {
		return s.yield(classID)
	}
	if !s.yield(cutWord(w)) {
		return false
	}
	if len(w) >= 4 {
		return s.leet(w, false)
	}
	return true
}

package expr

import "strings"

// suggest returns the word of words that name was probably meant to be, or "".
func suggest(name string, words []string) string {
	if len(name) > maxSuggest {
		return ""
	}
	best, bound := "", 1+len(name)/4
	for _, w := range words {
		if d := distance(strings.ToLower(name), w, bound); d <= bound {
			best, bound = w, d-1
		}
	}
	return best
}

// maxSuggest bounds the length of words that are compared; distance takes the
// product of two lengths.
const maxSuggest = 64

// distance returns in how many characters a and b differ (Levenshtein, two
// neighbours swapped count as one), or more than bound.
func distance(a, b string, bound int) int {
	if len(a)-len(b) > bound || len(b)-len(a) > bound {
		return bound + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// Meant returns the hint that one of words was probably meant, or "".
func Meant(name string, words []string) string {
	if w := suggest(name, words); w != "" {
		return `did you mean "` + w + `"?`
	}
	return ""
}

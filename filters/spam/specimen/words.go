package specimen

import (
	"bytes"
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// WordCounter finds the words that ham uses most: what those who attack a
// filter take from mail of their own.
type WordCounter struct {
	messages map[string]int // word -> messages that have it
}

var (
	markup    = regexp.MustCompile(`(?s)<[^>]*>|&\w+;`)
	plainWord = regexp.MustCompile(`\b[a-z]{3,14}\b`)
)

// maxWords bounds the words that are counted.
const maxWords = 200_000

// Add counts the words of one message's text.
func (w *WordCounter) Add(raw []byte) {
	if w.messages == nil {
		w.messages = map[string]int{}
	}
	seen := map[string]bool{}
	for t := range parse(raw, 0).texts() {
		text, _ := t.content()
		if t.isHTML() {
			text = markup.ReplaceAll(text, []byte(" "))
		}
		for _, word := range plainWord.FindAll(bytes.ToLower(text), 4000) {
			seen[string(word)] = true
		}
	}
	for word := range seen {
		if w.messages[word] > 0 || len(w.messages) < maxWords {
			w.messages[word]++
		}
	}
}

// Top returns the n words that most messages have, after the first skip.
func (w *WordCounter) Top(skip, n int) []string {
	words := slices.SortedFunc(maps.Keys(w.messages), func(a, b string) int {
		return cmp.Or(w.messages[b]-w.messages[a], strings.Compare(a, b))
	})
	words = words[min(skip, len(words)):]
	return words[:min(n, len(words))]
}

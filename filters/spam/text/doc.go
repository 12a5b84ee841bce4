// Package text shows the parts of a message as their reader sees them: charsets
// decoded, HTML rendered with what is hidden set apart, Unicode folded so that
// look-alike letters and invisible characters change nothing, cut into words,
// the language named. It imports nothing of ours, never fetches, and executes
// nothing; every input is hostile, every figure bounded, all work linear.
//
// The way of a part:
//
//	utf8 := text.UTF8(part, charset)     // HTML(5) charset rules, detection
//	page.HTML(utf8) or page.Plain(utf8)  // adds to Text, Hidden, Quoted, Links;
//	                                     // SVG is HTML; Calendar and RTF too
//	folded := text.Fold(buf[:0], page.Text, &page.Marks)
//	for word := range text.Words(folded) { ... }
//	lang := text.Language(folded)
//
// A Page is reused between messages by Reset, which keeps its buffers.
package text

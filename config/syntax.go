package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxNesting bounds brackets, and dashes on one line: for each that is open
// the YAML parser takes stack and memory.
const maxNesting = 100

// tooDeep returns the line on which a text nests deeper than maxNesting.
func tooDeep(data []byte) (line int, deep bool) {
	brackets := 0
	for text := range bytes.Lines(data) {
		line++
		dashes := 0
		text = bytes.TrimLeft(text, " ")
		for len(text) > 1 && (text[0] == '-' || text[0] == '?') && text[1] == ' ' {
			text = bytes.TrimLeft(text[1:], " ")
			dashes++
		}
		for _, c := range text {
			switch c {
			case '[', '{':
				brackets++
			case ']', '}':
				brackets = max(0, brackets-1)
			}
			if brackets > maxNesting {
				return line, true
			}
		}
		if dashes > maxNesting {
			return line, true
		}
	}
	return 0, false
}

// parseYAML calls the parser, which is known to panic on some texts.
func parseYAML(data []byte) (f *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the YAML cannot be read: %v", r)
		}
	}()
	return parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey()) // entries tells all of them
}

// syntaxError turns the YAML parser's error into ours.
func syntaxError(file string, err error) Error {
	e := Error{File: file, Line: 1, Col: 1, Msg: err.Error()}
	var y yaml.Error
	if errors.As(err, &y) {
		if t := y.GetToken(); t != nil && t.Position != nil {
			e.Line, e.Col = t.Position.Line, t.Position.Column
		}
		e.Msg = y.GetMessage()
	}
	e.Msg, _, _ = strings.Cut(e.Msg, "\n")
	e.Hint = syntaxHint(e.Msg)
	return e
}

// syntaxHint says what is mostly meant by the parser's words.
func syntaxHint(msg string) string {
	switch {
	case strings.Contains(msg, `cannot start any token`) && strings.Contains(msg, "\t"):
		return "indent with spaces, not tabs"
	case strings.Contains(msg, "not allowed in this context"), strings.Contains(msg, "non-map value"):
		return "check the indentation: keys that belong together begin in the same column"
	case strings.Contains(msg, "could not find end character"):
		return "a text that begins with a quote ends with it"
	case strings.Contains(msg, "could not find flow mapping"), strings.Contains(msg, "sequence end token"):
		return "brackets and braces are closed where they were opened"
	}
	return ""
}

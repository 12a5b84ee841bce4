package config

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml"
)

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
	return e
}

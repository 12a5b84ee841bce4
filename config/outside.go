package config

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Values from outside: ${NAME}, {file: path}.
const (
	maxSecret = 64 << 10 // octets of a {file: path}
	minSecret = 4        // octets
)

// unset stands for a value from outside that is missing: it is a name, and may be
// in a URL, so that its form is no second mistake.
const unset = "unset.invalid"

// fromFile reads {file: path}, the place for secrets.
func (d *decoder) fromFile(n ast.Node) (string, bool) {
	es := d.entries(n)
	if len(es) != 1 || keyOf(es[0]) != "file" {
		d.errorf(n, "a single value, or {file: path}", "want a single value, found a mapping")
		return "", false
	}
	path, ok := d.str(es[0].Value)
	if !ok {
		return "", false
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(d.file), path)
	}
	b, err := readFile(path, maxSecret)
	if err != nil {
		d.errorf(es[0].Value, "", "cannot read it: %v", err)
		return unset, false
	}
	s := strings.TrimRight(string(b), "\r\n")
	d.secret(s, "{file: "+path+"}")
	return s, true
}

// readFile reads a file of at most limit octets.
func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = fmt.Errorf("%s is larger than %s", name, size(limit))
	}
	return b, err
}

// secret notes a value from outside, that no error may show. What is shorter
// than minSecret is no secret, and would mangle texts.
func (d *decoder) secret(value, source string) {
	if len(value) >= minSecret {
		d.secrets = append(d.secrets, value, source)
	}
}

// expand replaces ${NAME}; $${ stands for ${ itself.
func (d *decoder) expand(n ast.Node, s string) (string, bool) {
	var b strings.Builder
	known := true
	for {
		i := strings.Index(s, "${")
		if i < 0 {
			b.WriteString(s)
			return b.String(), known
		}
		if i > 0 && s[i-1] == '$' {
			b.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			d.errorf(n, "write $${ for the characters themselves", "${ without }")
			return "", false
		}
		name := s[i+2 : i+end]
		value, ok := d.getenv(name)
		if ok {
			d.secret(value, "${"+name+"}")
		} else {
			value = unset
			known = d.lacks(n, name) && known
		}
		b.WriteString(s[:i] + value)
		s = s[i+end+1:]
	}
}

// lacks notes that the environment has no variable of that name. It returns
// whether that may be.
func (d *decoder) lacks(n ast.Node, name string) bool {
	p := positionOf(n)
	e := Error{File: d.file, Line: p.line, Col: p.col, Msg: "the environment has no " + name}
	section, _, _ := strings.Cut(d.path, ".")
	if d.withoutSecrets && !slices.Contains([]string{"hostname", "data", "storage"}, section) {
		d.missing = append(d.missing, e)
		return true
	}
	d.errs = append(d.errs, e)
	return false
}

package specimen

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed testdata/ham testdata/lure testdata/layout testdata/lists
var files embed.FS

// template is one file of testdata/ham or testdata/lure.
type template struct {
	class Class
	name  string
	split Split
	head  map[string]string
	many  map[string][]string // header, attach, inline
	body  string              // the markup
	html  string              // raw HTML instead of the markup's, if any
	text  string              // the text part instead of the markup's, if any
}

func (t *template) origin() string { return string(t.class) + "/" + t.name }

// layout is how a sender's HTML looks: snippets by name.
type layout struct {
	name    string
	split   string // train, test or both
	style   string
	snippet map[string]string
}

type loaded struct {
	templates []*template
	layouts   []*layout
	lists     map[string][]string
}

func load() (*loaded, error) {
	l := &loaded{lists: map[string][]string{}}
	err := fs.WalkDir(files, "testdata", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		src, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		if err := l.file(name, string(src)); err != nil {
			return fmt.Errorf("specimen: %s: %w", name, err)
		}
		return nil
	})
	return l, err
}

func (l *loaded) file(name, src string) error {
	base := strings.TrimSuffix(path.Base(name), path.Ext(name))
	switch kind := path.Base(path.Dir(name)); kind {
	case "layout":
		l.layouts = append(l.layouts, parseLayout(base, src))
		return nil
	case "lists":
		return l.parseLists(src)
	default:
		t, err := parseTemplate(Class(kind), base, src)
		l.templates = append(l.templates, t)
		return err
	}
}

// parseLists reads "key: a|b|c" lines; the same key again adds to it.
func (l *loaded) parseLists(src string) error {
	for line := range strings.Lines(src) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		key, values, ok := strings.Cut(line, ": ")
		if !ok {
			return fmt.Errorf("no key in %q", line)
		}
		list, _, ok := split("[[" + values + "]]")
		if !ok {
			return fmt.Errorf("unbalanced %q", line)
		}
		l.lists[key] = append(l.lists[key], list...)
	}
	return nil
}

func parseLayout(name, src string) *layout {
	l := &layout{name: name, snippet: map[string]string{}}
	head, rest, _ := strings.Cut(src, "\n%% ")
	for line := range strings.Lines(head) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "split":
			l.split = value
		case "style":
			l.style = value
		}
	}
	for part := range strings.SplitSeq(rest, "\n%% ") {
		key, value, _ := strings.Cut(part, "\n")
		l.snippet[strings.TrimSpace(key)] = strings.TrimSuffix(value, "\n")
	}
	return l
}

// known are the head fields of a template.
var known = map[string]bool{
	"split": true, "lang": true, "style": true, "brand": true, "from": true, "to": true, "reply-to": true, "subject": true,
	"preheader": true, "mailer": true, "parts": true, "unsub": true, "thread": true, "famous": true, "cc": true, "charset": true, "era": true,
}

func parseTemplate(class Class, name, src string) (*template, error) {
	t := &template{class: class, name: name, head: map[string]string{}, many: map[string][]string{}}
	head, body, ok := strings.Cut(src, "\n\n")
	if !ok {
		return t, fmt.Errorf("no body")
	}
	for line := range strings.Lines(head) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch {
		case !ok:
			return t, fmt.Errorf("head line %q has no colon", line)
		case key == "header" || key == "attach" || key == "inline":
			t.many[key] = append(t.many[key], value)
		case known[key]:
			t.head[key] = value
		default:
			return t, fmt.Errorf("unknown head field %q", key)
		}
	}
	t.split = Split(t.head["split"])
	if t.split != Train && t.split != Test {
		return t, fmt.Errorf("split is %q", t.split)
	}
	t.body, t.html, _ = strings.Cut(body, "\n%% html\n")
	t.body, t.text, _ = strings.Cut(t.body, "\n%% text\n")
	return t, nil
}

package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parse returns the one document of the file, nil when there is none or it is
// no YAML.
func (f *file) parse() ast.Node {
	tree, err := parseYAML(f.data)
	if err != nil {
		f.syntax(err)
		return nil
	}
	var body ast.Node
	for _, doc := range tree.Docs {
		switch {
		case doc == nil || doc.Body == nil || doc.Body.Type() == ast.CommentType:
		case body == nil:
			body = doc.Body
		default:
			f.problem(nodePos(doc.Body), "a policy file has one document", `remove the line "---"`)
		}
	}
	return body
}

// parseYAML calls the parser, which is known to panic on some texts.
func parseYAML(data []byte) (tree *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the YAML cannot be read: %v", r)
		}
	}()
	return parser.ParseBytes(data, 0)
}

// syntax notes an error of the YAML parser. The commonest ones come from
// conditions and replies written without quotes.
func (f *file) syntax(err error) {
	var e interface {
		GetMessage() string
		GetToken() *token.Token
	}
	if !errors.As(err, &e) || e.GetToken() == nil {
		f.problem(position{1, 1}, "YAML: "+firstLine(err.Error()), "")
		return
	}
	at := tokenPos(e.GetToken())
	msg := strings.ReplaceAll(firstLine(e.GetMessage()), "\t", "\\t")
	if strings.Contains(msg, "already defined") {
		f.problem(at, msg, `a key is there once; a new rule begins with "- "`)
		return
	}
	f.problem(at, "YAML: "+msg, f.syntaxHint(at))
}

// syntaxHint looks at the line of a YAML error for what people often forget.
func (f *file) syntaxHint(at position) string {
	line := strings.TrimLeft(string(f.line(at.line)), " ")
	if strings.HasPrefix(line, "\t") {
		return "indent with spaces, not tabs"
	}
	line = strings.TrimLeft(line, " -")
	key, value, ok := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	switch {
	case !ok || value == "":
		return "check the indentation"
	case key == "if" && (strings.ContainsAny(value[:1], "!\"'@`%&*[{") || strings.Contains(value, ": ")):
		return `put the condition in quotes, or on the next line after "if: |"`
	case strings.Contains(value, ": ") || strings.ContainsAny(value[:1], "{[@`%&*!\"'"):
		return "put the text in quotes"
	}
	return "check the indentation"
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// nodePos returns where a node begins.
func nodePos(n ast.Node) position {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return nodePos(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return nodePos(n.Key)
	}
	if n == nil {
		return position{1, 1}
	}
	return tokenPos(n.GetToken())
}

func tokenPos(t *token.Token) position {
	if t == nil || t.Position == nil {
		return position{1, 1}
	}
	return position{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// entry is one key of a mapping.
type entry struct {
	key   string
	pos   position // of the key
	value ast.Node
}

// mapping returns the entries of n in order, with each key once. what names n
// in the message.
func (f *file) mapping(n ast.Node, what string) ([]entry, bool) {
	var values []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		values = n.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{n}
	default:
		f.wrongKind(n, what+" is a mapping", "write it as key: value")
		return nil, false
	}
	entries := make([]entry, 0, len(values))
	seen := make(map[string]bool, len(values))
	for _, v := range values {
		key, ok := f.scalar(v.Key, "a key")
		if !ok {
			continue
		}
		if seen[key.value] {
			f.problem(key.pos, fmt.Sprintf("the key %q is there twice", key.value), "")
			continue
		}
		seen[key.value] = true
		entries = append(entries, entry{key.value, key.pos, v.Value})
	}
	return entries, true
}

// sequence returns the items of a list.
func (f *file) sequence(n ast.Node, what string) ([]ast.Node, bool) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		f.wrongKind(n, what+" is a list", `begin each item with "- "`)
		return nil, false
	}
	return s.Values, true
}

// scalar returns the text of a scalar as it was written, whatever YAML would
// make of it.
func (f *file) scalar(n ast.Node, what string) (text, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return text{f, n.Value, tokenPos(n.Token), stringStyle(n.Token)}, true
	case *ast.LiteralNode:
		t := text{f, n.Value.Value, tokenPos(n.Start), literal}
		if strings.HasPrefix(n.Start.Value, ">") {
			t.style = folded
		}
		return t, true
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return text{f, n.GetToken().Value, tokenPos(n.GetToken()), plain}, true
	}
	f.wrongKind(n, what+" is a text", "put it in quotes")
	return text{}, false
}

func stringStyle(t *token.Token) style {
	switch t.Type {
	case token.SingleQuoteType:
		return single
	case token.DoubleQuoteType:
		return double
	}
	return plain
}

// scalars returns the texts of a list, or the one text that stands for it.
func (f *file) scalars(n ast.Node, what string) ([]text, bool) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		t, ok := f.scalar(n, what)
		return []text{t}, ok
	}
	texts := make([]text, 0, len(list.Values))
	for _, v := range list.Values {
		t, good := f.scalar(v, "an item of "+what)
		if ok = ok && good; good {
			texts = append(texts, t)
		}
	}
	return texts, len(texts) == len(list.Values)
}

// wrongKind notes that a node is not what belongs there, and why.
func (f *file) wrongKind(n ast.Node, want, hint string) {
	switch n.(type) {
	case nil, *ast.NullNode:
		f.problem(nodePos(n), want+", and nothing is there", "")
	case *ast.TagNode:
		f.problem(nodePos(n), "YAML takes ! for a tag", "put the text in quotes")
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		f.problem(nodePos(n), "policy files have no anchors and aliases (& * <<)", "if the text begins so, put it in quotes")
	default:
		f.problem(nodePos(n), want+", and this is not one", hint)
	}
}

// keyHint knows what else people call the keys.
func keyHint(key string, allowed []string) string {
	other := map[string]string{
		"when": "if", "condition": "if", "stage": "at", "on": "at", "action": "then", "do": "then",
		"message": "reply", "text": "reply", "header": "add", "headers": "add", "subject": "tag",
	}[key]
	if slices.Contains(allowed, other) {
		return fmt.Sprintf("did you mean %q?", other)
	}
	return meant(key, allowed)
}

// strict tells the keys that are not allowed.
func (f *file) strict(entries []entry, what string, allowed ...string) {
	for _, e := range entries {
		if slices.Contains(allowed, e.key) {
			continue
		}
		hint := keyHint(e.key, allowed)
		if hint == "" {
			hint = "there are " + strings.Join(allowed, ", ")
		}
		f.problem(e.pos, fmt.Sprintf("unknown key %q in %s", e.key, what), hint)
	}
}

package expr

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Parse returns the one document of the file, nil when there is none or it is
// no YAML.
func (f *File) Parse() ast.Node {
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
			f.Problem(NodePos(doc.Body), "a "+f.kind+" has one document", `remove the line "---"`)
		}
	}
	return body
}

// Rules returns the items of the list under "rules", the one key of the file,
// at most limit. what names the whole that files make, as "a policy".
func (f *File) Rules(what string, limit int) []ast.Node {
	body := f.Parse()
	if body == nil {
		if len(*f.errs) == 0 || (*f.errs)[len(*f.errs)-1].File != f.name {
			f.Problem(Position{1, 1}, "the file has no rules", what+` begins with "rules:"`)
		}
		return nil
	}
	if body.Type() == ast.SequenceType {
		f.Problem(NodePos(body), "a "+f.kind+" is a mapping, and this is a list", `put "rules:" before it`)
		return nil
	}
	entries, ok := f.Mapping(body, "a "+f.kind)
	if !ok {
		return nil
	}
	f.Strict(entries, "a "+f.kind, "rules")
	var rules []ast.Node
	for _, e := range entries {
		if e.Key != "rules" {
			continue
		}
		rules, _ = f.Sequence(e.Value, "rules")
		if len(rules) > limit {
			f.Problem(NodePos(rules[limit]), fmt.Sprintf("there are more than %d rules", limit), "")
			rules = rules[:limit]
		}
	}
	return rules
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
func (f *File) syntax(err error) {
	var e interface {
		GetMessage() string
		GetToken() *token.Token
	}
	if !errors.As(err, &e) || e.GetToken() == nil {
		f.Problem(Position{1, 1}, "YAML: "+firstLine(err.Error()), "")
		return
	}
	at := tokenPos(e.GetToken())
	msg := strings.ReplaceAll(firstLine(e.GetMessage()), "\t", "\\t")
	if strings.Contains(msg, "already defined") {
		f.Problem(at, msg, `a key is there once; a new rule begins with "- "`)
		return
	}
	f.Problem(at, "YAML: "+msg, f.syntaxHint(at))
}

// syntaxHint looks at the line of a YAML error for what people often forget.
func (f *File) syntaxHint(at Position) string {
	line := strings.TrimLeft(string(f.line(at.Line)), " ")
	if strings.HasPrefix(line, "\t") {
		return "indent with spaces, not tabs"
	}
	line = strings.TrimLeft(line, " -")
	key, value, ok := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	switch {
	case !ok || value == "":
		return "check the indentation"
	case (key == "if" || key == "when") && (strings.ContainsAny(value[:1], "!\"'@`%&*[{") || strings.Contains(value, ": ")):
		return fmt.Sprintf("put the condition in quotes, or on the next line after %q", key+": |")
	case strings.Contains(value, ": ") || strings.ContainsAny(value[:1], "{[@`%&*!\"'"):
		return "put the text in quotes"
	}
	return "check the indentation"
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// NodePos returns where a node begins.
func NodePos(n ast.Node) Position {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return NodePos(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return NodePos(n.Key)
	}
	if n == nil {
		return Position{1, 1}
	}
	return tokenPos(n.GetToken())
}

func tokenPos(t *token.Token) Position {
	if t == nil || t.Position == nil {
		return Position{1, 1}
	}
	return Position{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// Entry is one key of a mapping.
type Entry struct {
	Key   string
	Pos   Position // of the key
	Value ast.Node
}

// Mapping returns the entries of n in order, with each key once. what names n
// in the message.
func (f *File) Mapping(n ast.Node, what string) ([]Entry, bool) {
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
	entries := make([]Entry, 0, len(values))
	seen := make(map[string]bool, len(values))
	for _, v := range values {
		key, ok := f.Scalar(v.Key, "a key")
		if !ok {
			continue
		}
		if seen[key.Value] {
			f.Problem(key.Pos, fmt.Sprintf("the key %q is there twice", key.Value), "")
			continue
		}
		seen[key.Value] = true
		entries = append(entries, Entry{key.Value, key.Pos, v.Value})
	}
	return entries, true
}

// Sequence returns the items of a list.
func (f *File) Sequence(n ast.Node, what string) ([]ast.Node, bool) {
	s, ok := n.(*ast.SequenceNode)
	if !ok {
		f.wrongKind(n, what+" is a list", `begin each item with "- "`)
		return nil, false
	}
	return s.Values, true
}

// Scalar returns the text of a scalar as it was written, whatever YAML would
// make of it.
func (f *File) Scalar(n ast.Node, what string) (Text, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return Text{f, n.Value, tokenPos(n.Token), stringStyle(n.Token)}, true
	case *ast.LiteralNode:
		t := Text{f, n.Value.Value, tokenPos(n.Start), literal}
		if strings.HasPrefix(n.Start.Value, ">") {
			t.style = folded
		}
		return t, true
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return Text{f, n.GetToken().Value, tokenPos(n.GetToken()), plain}, true
	}
	f.wrongKind(n, what+" is a text", "put it in quotes")
	return Text{}, false
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

// Scalars returns the texts of a list, or the one text that stands for it.
func (f *File) Scalars(n ast.Node, what string) ([]Text, bool) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		t, ok := f.Scalar(n, what)
		return []Text{t}, ok
	}
	texts := make([]Text, 0, len(list.Values))
	for _, v := range list.Values {
		t, good := f.Scalar(v, "an item of "+what)
		if ok = ok && good; good {
			texts = append(texts, t)
		}
	}
	return texts, len(texts) == len(list.Values)
}

// wrongKind notes that a node is not what belongs there, and why.
func (f *File) wrongKind(n ast.Node, want, hint string) {
	switch n.(type) {
	case nil, *ast.NullNode:
		f.Problem(NodePos(n), want+", and nothing is there", "")
	case *ast.TagNode:
		f.Problem(NodePos(n), "YAML takes ! for a tag", "put the text in quotes")
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		f.Problem(NodePos(n), f.kind+"s have no anchors and aliases (& * <<)", "if the text begins so, put it in quotes")
	default:
		f.Problem(NodePos(n), want+", and this is not one", hint)
	}
}

// keyHint knows what else people call the keys.
func keyHint(key string, allowed []string) string {
	for _, other := range map[string][]string{
		"if": {"when"}, "when": {"if"}, "condition": {"if", "when"}, "stage": {"at"}, "on": {"at"}, "action": {"then"},
		"do": {"then"}, "message": {"reply"}, "text": {"reply", "describe"}, "header": {"add"}, "headers": {"add"},
		"subject": {"tag"}, "description": {"describe"}, "score": {"weight"}, "points": {"weight"},
	}[key] {
		if slices.Contains(allowed, other) {
			return fmt.Sprintf("did you mean %q?", other)
		}
	}
	return Meant(key, allowed)
}

// Strict tells the keys that are not allowed.
func (f *File) Strict(entries []Entry, what string, allowed ...string) {
	for _, e := range entries {
		if slices.Contains(allowed, e.Key) {
			continue
		}
		hint := keyHint(e.Key, allowed)
		if hint == "" {
			hint = "there are " + strings.Join(allowed, ", ")
		}
		f.Problem(e.Pos, fmt.Sprintf("unknown key %q in %s", e.Key, what), hint)
	}
}

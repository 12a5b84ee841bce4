package config

import (
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// meant returns the node below n that a package's complaint about its options
// is about: the value of the keys that msg begins with (routes[2]: route:), and in it the last key
// or value that msg quotes, each looked for beside the one before; n itself
// when the words name none.
func meant(n ast.Node, msg string) ast.Node {
	for word := range strings.FieldsSeq(msg) {
		key, index, listed := strings.Cut(strings.TrimRight(word, ":]"), "[")
		below := valueOf(n, key)
		if listed {
			below = elementOf(below, index)
		}
		if below == nil {
			break
		}
		n = below
	}
	scope := n
	for i, text := range strings.Split(msg, `"`) {
		if i%2 == 0 || text == "" {
			continue
		}
		if found, around := quoted(scope, scope, text, 0); found != nil {
			n, scope = found, around
		}
	}
	return n
}

// pairsOf returns the pairs of a mapping, nil of another node.
func pairsOf(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}

func valueOf(n ast.Node, key string) ast.Node {
	for _, e := range pairsOf(n) {
		if keyOf(e) == key {
			return e.Value
		}
	}
	return nil
}

// elementOf returns an element of a list, nil where there is none.
func elementOf(n ast.Node, index string) ast.Node {
	list, ok := n.(*ast.SequenceNode)
	i, err := strconv.Atoi(index)
	if !ok || err != nil || i < 0 || i >= len(list.Values) {
		return nil
	}
	return list.Values[i]
}

// quoted returns the first key or value of that text in n, and the mapping
// that it is in.
func quoted(n, around ast.Node, text string, depth int) (found, scope ast.Node) {
	if depth > maxDepth {
		return nil, nil
	}
	for _, e := range pairsOf(n) {
		if keyOf(e) == text {
			return e.Key, n
		}
		if found, scope = quoted(e.Value, n, text, depth+1); found != nil {
			return found, scope
		}
	}
	switch n := n.(type) {
	case *ast.SequenceNode:
		for _, x := range n.Values {
			if found, scope = quoted(x, around, text, depth+1); found != nil {
				return found, scope
			}
		}
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode:
		if written(n) == text {
			return n, around
		}
	}
	return nil, nil
}

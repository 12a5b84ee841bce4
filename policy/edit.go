package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/policy/expr"
)

// edit is a change of the header whose value may have facts in it.
type edit struct {
	kind  gateway.EditKind
	name  string
	value expr.Template
}

// Fields that policies may not touch, in lower case: the gateway writes them,
// or the message's form depends on them after it was scanned.
var (
	ownFields  = []string{"received", "return-path", "authentication-results", "arc-seal", "arc-message-signature", "arc-authentication-results", "dkim-signature"}
	formFields = []string{"mime-version", "content-type", "content-transfer-encoding", "content-disposition"}
	// Fields of which a message has one at most (RFC 5322 section 3.6).
	onceFields = []string{"date", "from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references", "subject"}
)

// maxOutput bounds a header field's value, in octets.
const maxOutput = 900

// edits reads remove, add and tag, which take effect in this order.
func (c *compiler) edits(raw *rawRule, stage gateway.Stage) ([]edit, bool) {
	good := len(raw.remove)+len(raw.add) <= MaxEdits
	if !good {
		raw.name.File.Problem(raw.pos, fmt.Sprintf("the rule changes more than %d header fields", MaxEdits), "")
	}
	var edits []edit
	var removed []string
	for _, t := range raw.remove {
		name := strings.ToLower(t.Value)
		good = checkRemoved(t, name) && good
		removed = append(removed, name)
		edits = append(edits, edit{kind: gateway.RemoveField, name: t.Value})
	}
	for _, field := range raw.add {
		good = checkAdded(field.name, removed) && good
		value, ok := c.fieldValue(field.value, stage)
		good = good && ok
		edits = append(edits, edit{gateway.AddField, field.name.Value, value})
	}
	if raw.tag != nil {
		value, ok := c.fieldValue(*raw.tag, stage)
		good = good && ok
		edits = append(edits, edit{gateway.TagSubject, "Subject", value})
	}
	return edits, good
}

func checkName(t expr.Text) bool {
	if expr.IsFieldName(t.Value) {
		return true
	}
	t.File.Problem(t.Pos, fmt.Sprintf("%q is no name of a header field", t.Value), "letters, digits and hyphens, such as X-Junk")
	return false
}

func checkRemoved(t expr.Text, name string) bool {
	switch {
	case !checkName(t):
		return false
	case name == "received":
		t.File.Problem(t.Pos, "Received fields stay", "loops are found by them (RFC 5321 section 6.3)")
	case slices.Contains(formFields, name):
		t.File.Problem(t.Pos, t.Value+" cannot be removed", "the body would be read in another way than it was scanned")
	case name == "from" || name == "date":
		t.File.Problem(t.Pos, t.Value+" cannot be removed", "every message has it (RFC 5322 section 3.6)")
	default:
		return true
	}
	return false
}

func checkAdded(t expr.Text, removed []string) bool {
	name := strings.ToLower(t.Value)
	switch {
	case !checkName(t):
		return false
	case slices.Contains(ownFields, name):
		t.File.Problem(t.Pos, t.Value+" is written by the gateway alone", "")
	case slices.Contains(formFields, name):
		t.File.Problem(t.Pos, t.Value+" cannot be added", "the body would be read in another way than it was scanned")
	case slices.Contains(onceFields, name) && !slices.Contains(removed, name):
		t.File.Problem(t.Pos, "a message has only one "+t.Value, "remove: ["+t.Value+"] in the same rule replaces it")
	default:
		return true
	}
	return false
}

// fieldValue reads the value of a field: one line.
func (c *compiler) fieldValue(t expr.Text, stage gateway.Stage) (expr.Template, bool) {
	value := strings.TrimRight(t.Value, "\n")
	for i, r := range []rune(value) {
		if expr.AsField(r) != r {
			t.File.Problem(t.At(i), "a header field has one line of text", "")
			return expr.Template{}, false
		}
	}
	t.Value = value
	out, ok := c.Template(t, 0, stage)
	switch {
	case !ok:
		return out, false
	case len(out.Literal()) > maxOutput/2:
		t.File.Problem(t.Pos, fmt.Sprintf("the value has more than %d octets", maxOutput/2), "")
		return out, false
	case out.Empty() || len(out.Facts) == 0 && strings.TrimSpace(out.Literal()) == "":
		t.File.Problem(t.Pos, "the value is empty", "")
		return out, false
	}
	return out, true
}

// render returns the change for one recipient. Values are UTF-8 text on one
// line; the gateway encodes what is beyond ASCII (RFC 2047).
func (e edit) render(a *activation) gateway.Edit {
	out := gateway.Edit{Kind: e.kind, Name: e.name}
	if e.kind != gateway.RemoveField {
		out.Value = e.value.Render(a.value, expr.AsField, maxOutput)
	}
	return out
}

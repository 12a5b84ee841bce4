package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gapura-mail/gapura/gateway"
)

// edit is a change of the header whose value may have facts in it.
type edit struct {
	kind  gateway.EditKind
	name  string
	value template
}

// Fields that policies may not touch, in lower case: the gateway writes them,
// or the message's form depends on them after it was scanned.
var (
	ownFields  = []string{"received", "return-path", "authentication-results", "arc-seal", "arc-message-signature", "arc-authentication-results", "dkim-signature"}
	formFields = []string{"mime-version", "content-type", "content-transfer-encoding", "content-disposition"}
	// Fields of which a message has one at most (RFC 5322 section 3.6).
	onceFields = []string{"date", "from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references", "subject"}
)

// maxFieldName bounds the name of a field, which shares a line with its value.
const maxFieldName = 70

// isFieldName tells whether s can be the name of a header field (RFC 5322
// section 3.6.8).
func isFieldName(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == ':' {
			return false
		}
	}
	return s != "" && len(s) <= maxFieldName
}

// edits reads remove, add and tag, which take effect in this order.
func (c *compiler) edits(raw *rawRule, stage gateway.Stage) ([]edit, bool) {
	good := len(raw.remove)+len(raw.add) <= MaxEdits
	if !good {
		raw.name.f.problem(raw.pos, fmt.Sprintf("the rule changes more than %d header fields", MaxEdits), "")
	}
	var edits []edit
	var removed []string
	for _, t := range raw.remove {
		name := strings.ToLower(t.value)
		good = t.checkRemoved(name) && good
		removed = append(removed, name)
		edits = append(edits, edit{kind: gateway.RemoveField, name: t.value})
	}
	for _, field := range raw.add {
		good = field.name.checkAdded(removed) && good
		value, ok := c.fieldValue(field.value, stage)
		good = good && ok
		edits = append(edits, edit{gateway.AddField, field.name.value, value})
	}
	if raw.tag != nil {
		value, ok := c.fieldValue(*raw.tag, stage)
		good = good && ok
		edits = append(edits, edit{gateway.TagSubject, "Subject", value})
	}
	return edits, good
}

func (t text) checkName() bool {
	if isFieldName(t.value) {
		return true
	}
	t.f.problem(t.pos, fmt.Sprintf("%q is no name of a header field", t.value), "letters, digits and hyphens, such as X-Junk")
	return false
}

func (t text) checkRemoved(name string) bool {
	switch {
	case !t.checkName():
		return false
	case name == "received":
		t.f.problem(t.pos, "Received fields stay", "loops are found by them (RFC 5321 section 6.3)")
	case slices.Contains(formFields, name):
		t.f.problem(t.pos, t.value+" cannot be removed", "the body would be read in another way than it was scanned")
	case name == "from" || name == "date":
		t.f.problem(t.pos, t.value+" cannot be removed", "every message has it (RFC 5322 section 3.6)")
	default:
		return true
	}
	return false
}

func (t text) checkAdded(removed []string) bool {
	name := strings.ToLower(t.value)
	switch {
	case !t.checkName():
		return false
	case slices.Contains(ownFields, name):
		t.f.problem(t.pos, t.value+" is written by the gateway alone", "")
	case slices.Contains(formFields, name):
		t.f.problem(t.pos, t.value+" cannot be added", "the body would be read in another way than it was scanned")
	case slices.Contains(onceFields, name) && !slices.Contains(removed, name):
		t.f.problem(t.pos, "a message has only one "+t.value, "remove: ["+t.value+"] in the same rule replaces it")
	default:
		return true
	}
	return false
}

// fieldValue reads the value of a field: one line.
func (c *compiler) fieldValue(t text, stage gateway.Stage) (template, bool) {
	value := strings.TrimRight(t.value, "\n")
	for i, r := range []rune(value) {
		if asField(r) != r {
			t.f.problem(t.at(i), "a header field has one line of text", "")
			return template{}, false
		}
	}
	t.value = value
	out, ok := c.template(t, 0, stage)
	switch {
	case !ok:
		return out, false
	case len(out.literal()) > maxOutput/2:
		t.f.problem(t.pos, fmt.Sprintf("the value has more than %d octets", maxOutput/2), "")
		return out, false
	case len(out.parts) == 0 || len(out.facts) == 0 && strings.TrimSpace(out.literal()) == "":
		t.f.problem(t.pos, "the value is empty", "")
		return out, false
	}
	return out, true
}

// render returns the change for one recipient. Values are UTF-8 text on one
// line; the gateway encodes what is beyond ASCII (RFC 2047).
func (e edit) render(a *activation) gateway.Edit {
	out := gateway.Edit{Kind: e.kind, Name: e.name}
	if e.kind != gateway.RemoveField {
		out.Value = e.value.render(a, asField, maxOutput)
	}
	return out
}

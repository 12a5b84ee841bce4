package gateway

import "slices"

// Fact is one finding: a name such as "spf.result" and a value of the
// declared FactType.
type Fact struct {
	Name  string
	Value any // string, bool, int64, float64 or []string
}

// FactType is the type of a fact's value.
type FactType uint8

const (
	String FactType = iota + 1
	Bool
	Int     // int64
	Float   // float64
	Strings // []string
)

// Zero returns the value that a fact of the type has when nobody found it.
func (t FactType) Zero() any {
	switch t {
	case String:
		return ""
	case Bool:
		return false
	case Int:
		return int64(0)
	case Float:
		return float64(0)
	case Strings:
		return []string(nil)
	}
	return nil
}

// String returns the type's name in policy conditions (CEL).
func (t FactType) String() string {
	return [...]string{"none", "string", "bool", "int", "double", "list(string)"}[t]
}

// Field documents a fact that a filter may return: it types the policy's
// conditions and generates the reference.
type Field struct {
	Name    string // with the filter's name: "spf.result"
	Type    FactType
	Default any   // value while nobody found it; nil: the type's zero
	Stage   Stage // first stage at which it may be known
	Rcpt    bool  // may differ from recipient to recipient
	Doc     string
}

// Zero returns the value of the field while nobody found it.
func (f Field) Zero() any {
	if f.Default != nil {
		return f.Default
	}
	return f.Type.Zero()
}

// Facts are findings by name; a later one of the same name replaces the
// earlier. The zero value is ready for use.
type Facts struct {
	list []Fact
}

// Get returns the value of the fact called name.
func (f Facts) Get(name string) (any, bool) {
	for i := len(f.list) - 1; i >= 0; i-- {
		if f.list[i].Name == name {
			return f.list[i].Value, true
		}
	}
	return nil, false
}

// String returns a string fact, "" when it is not there.
func (f Facts) String(name string) string {
	v, _ := f.Get(name)
	s, _ := v.(string)
	return s
}

// With returns the facts with more added; f itself does not change.
func (f Facts) With(more ...Fact) Facts {
	if len(more) == 0 {
		return f
	}
	list := make([]Fact, 0, len(f.list)+len(more))
	return Facts{append(append(list, f.list...), more...)}
}

// Add adds facts in place, cheaper than With. Copies of f made before do not
// see them; of all copies, only one may be added to.
func (f *Facts) Add(more ...Fact) { f.list = append(f.list, more...) }

// Grow makes room for n more facts, so that Add need not.
func (f *Facts) Grow(n int) { f.list = slices.Grow(f.list, n) }

// All returns the facts in the order in which they were found.
func (f Facts) All() []Fact { return f.list }

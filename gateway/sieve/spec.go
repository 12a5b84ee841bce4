package sieve

import (
	"cmp"
	"slices"
	"strings"
)

// argKind is what an argument must be.
type argKind uint8

const (
	aString  argKind = iota
	aStrings         // a list or a single string
	aNumber
)

// String returns the kind with its article.
func (k argKind) String() string {
	return [...]string{"a string", "a string list", "a number"}[k]
}

// param is one argument of a command, test or tag.
type param struct {
	kind  argKind
	name  string
	fixed bool // no variables
}

// tagSpec is a tagged argument. Of the tags of one group there may be one.
type tagSpec struct {
	name, ext, group string
	param            []param // one at most
}

// spec is a command or a test.
type spec struct {
	name, ext string
	test      bool
	optional  int  // of pos, the first ones, that may be left out
	last      bool // the last ones may, instead
	pos       []param
	tags      []tagSpec
	tests     int // 0: none, 1: one, manyTests: a list
	block     bool
	command   func(c *compiler, n *node, a *args) command
	check     func(c *compiler, n *node, a *args) test
}

const manyTests = -1

// kind returns "command" or "test".
func (s *spec) kind() string {
	if s.test {
		return "test"
	}
	return "command"
}

// args are the arguments of a command or test, checked.
type args struct {
	spec *spec
	pos  []value // nil strs: left out
	tags map[string]value
}

// value is one argument.
type value struct {
	Pos
	given bool
	strs  []*str
	num   uint64
}

// has tells whether the tag was given.
func (a *args) has(tag string) bool { return a.tags[tag].given }

// str returns the string of a tag, nil without one.
func (a *args) str(tag string) *str {
	if v := a.tags[tag]; v.given && len(v.strs) > 0 {
		return v.strs[0]
	}
	return nil
}

// Groups of tags.
const (
	groupMatch   = "match type"
	groupPart    = "address part"
	groupCompare = "comparator"
)

// matchTags are those of tests that compare.
func matchTags() []tagSpec {
	return []tagSpec{
		{name: "comparator", group: groupCompare, param: []param{{aString, "comparator", true}}},
		{name: "is", group: groupMatch},
		{name: "contains", group: groupMatch},
		{name: "matches", group: groupMatch},
		{name: "regex", ext: "regex", group: groupMatch},
		{name: "list", ext: "extlists", group: groupMatch},
		{name: "value", ext: "relational", group: groupMatch, param: []param{{aString, "relation", true}}},
		{name: "count", ext: "relational", group: groupMatch, param: []param{{aString, "relation", true}}},
	}
}

func partTags() []tagSpec {
	return []tagSpec{
		{name: "all", group: groupPart},
		{name: "localpart", group: groupPart},
		{name: "domain", group: groupPart},
		{name: "user", ext: "subaddress", group: groupPart},
		{name: "detail", ext: "subaddress", group: groupPart},
	}
}

func indexTags() []tagSpec {
	return []tagSpec{
		{name: "index", ext: "index", param: []param{{aNumber, "index", true}}},
		{name: "last", ext: "index"},
	}
}

func mimeTags() []tagSpec {
	return []tagSpec{
		{name: "mime", ext: "mime"},
		{name: "anychild", ext: "mime"},
		{name: "type", ext: "mime", group: "MIME option"},
		{name: "subtype", ext: "mime", group: "MIME option"},
		{name: "contenttype", ext: "mime", group: "MIME option"},
		{name: "param", ext: "mime", group: "MIME option", param: []param{{aStrings, "parameters", false}}},
	}
}

// specs lists all commands and tests.
func specs() []spec {
	return slices.Concat(
		controlSpecs(), actionSpecs(), coreTests(), vacationSpecs(), flagSpecs(), variableSpecs(), dateSpecs(),
		bodySpecs(), editSpecs(), mailboxSpecs(), includeSpecs(), duplicateSpecs(), notifySpecs(), spamSpecs(),
		environmentSpecs(), mimeSpecs(), listSpecs(), testsuiteSpecs(),
	)
}

// specIndex finds specs by name. It is made once and only read.
type specIndex map[string]*spec

func indexSpecs() specIndex {
	all := specs()
	index := make(specIndex, len(all))
	for i := range all {
		index[all[i].name] = &all[i]
	}
	return index
}

// language is all that scripts can say. Only Compile takes it: specs must not
// lead back here.
var language = indexSpecs()

// nearest returns the name among candidates that is most like name, "" where
// none is near.
func nearest(name string, candidates []string) string {
	best, least := "", min(3, 1+len(name)/3)
	for _, c := range candidates {
		if d := distance(name, c, least); d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is the edit distance of two short names, limit where it is more.
func distance(a, b string, limit int) int {
	if len(a) > maxIdentifier || len(b) > maxIdentifier || max(len(a)-len(b), len(b)-len(a)) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := last
			if a[i] != b[j] {
				d = 1 + min(last, row[j], row[j+1])
			}
			last, row[j+1] = row[j+1], d
		}
	}
	return min(row[len(b)], limit)
}

// didYouMean returns a hint.
func didYouMean(name string, candidates []string) string {
	if n := nearest(name, candidates); n != "" {
		return "did you mean " + n + "?"
	}
	return ""
}

// names lists the tags that a script may use here.
func (s *spec) tagNames(allowed func(ext string) bool) string {
	var all []string
	for _, t := range s.tags {
		if t.ext == "" || allowed(t.ext) {
			all = append(all, ":"+t.name)
		}
	}
	if len(all) == 0 {
		return "it has no tags"
	}
	slices.SortFunc(all, cmp.Compare[string])
	return "it has " + strings.Join(all, ", ")
}

package rule

import (
	"embed"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/policy/expr"
)

// Bounds of rule files.
const (
	MaxRules  = 1000 // of all files together
	MaxTests  = 20   // messages of one rule that it finds, and that it leaves alone
	MaxWeight = 10   // of one rule, either way
)

// kind is what a file of rules is called in messages.
const kind = "rule file"

//go:embed rules/*.yaml
var shipped embed.FS

// Shipped returns the rule files that come with the program.
func Shipped() ([]expr.Source, error) {
	files, err := shipped.ReadDir("rules")
	if err != nil {
		return nil, err
	}
	var sources []expr.Source
	for _, f := range files {
		data, err := shipped.ReadFile("rules/" + f.Name())
		if err != nil {
			return nil, err
		}
		sources = append(sources, expr.Source{Name: f.Name(), Data: data})
	}
	return sources, nil
}

// Load reads the shipped rules, and then files. fields are the facts of other
// filters that conditions may speak of. The error is expr.Errors when the
// files are at fault.
func Load(files []string, fields []gateway.Field) (*Set, error) {
	sources, err := Shipped()
	if err != nil {
		return nil, fmt.Errorf("rule: %w", err)
	}
	more, err := expr.ReadSources(files)
	if err != nil {
		return nil, fmt.Errorf("rule: %w", err)
	}
	return Parse(append(sources, more...), fields)
}

// Parse reads rules, one file after the other. A rule of the name of one in an
// earlier file replaces it; with the condition "false" it is gone.
func Parse(sources []expr.Source, fields []gateway.Field) (*Set, error) {
	s := &Set{slots: map[string]int{}}
	var err error
	if s.table, err = tables(); err != nil {
		return nil, err
	}
	vars, err := s.declare(fields)
	if err != nil {
		return nil, err
	}
	language, err := expr.NewCompiler(vars)
	if err != nil {
		return nil, err
	}
	language.CostLimit = maxCost
	language.Empty = `a rule without "when" would find every message`
	b := builder{s: s, c: language, named: map[string]*written{}, byName: map[string]*fact{}}
	for i := range s.facts {
		b.byName[s.facts[i].Name] = &s.facts[i]
	}
	var names []string
	for _, src := range sources {
		names = append(names, src.Name)
		if f, ok := expr.NewFile(src, kind, &b.errs); ok {
			b.file(f)
		}
	}
	if len(b.errs) > 0 {
		return nil, b.errs.Sorted(names)
	}
	s.finish()
	return s, nil
}

// declare numbers our facts and those of other filters.
func (s *Set) declare(fields []gateway.Field) (map[string]*expr.Variable, error) {
	s.facts = ownFacts(s.table)
	for _, f := range fields {
		s.facts = append(s.facts, foreignFact(f))
	}
	for _, f := range usualFacts() {
		if !slices.ContainsFunc(fields, func(g gateway.Field) bool { return g.Name == f.Name }) {
			s.facts = append(s.facts, foreignFact(f))
		}
	}
	vars := map[string]*expr.Variable{}
	for i := range s.facts {
		f := s.facts[i].Field
		switch {
		case !expr.IsFactName(f.Name):
			return nil, fmt.Errorf("rule: %q cannot be the name of a fact", f.Name)
		case vars[f.Name] != nil:
			return nil, fmt.Errorf("rule: the fact %s is declared twice", f.Name)
		case f.Type < gateway.String || f.Type > gateway.Strings:
			return nil, fmt.Errorf("rule: the fact %s has no type", f.Name)
		}
		f.Stage, f.Rcpt = gateway.StageMessage, false
		vars[f.Name], s.slots[f.Name] = &expr.Variable{Field: f, Slot: i}, i
	}
	return vars, nil
}

// foreignFact reads a fact that another filter has found.
func foreignFact(f gateway.Field) fact {
	x := fact{Field: f, foreign: true}
	switch zero := f.Zero(); f.Type {
	case gateway.String:
		x.text = read[string](f.Name, zero)
	case gateway.Bool:
		x.flag = read[bool](f.Name, zero)
	case gateway.Int:
		x.count = read[int64](f.Name, zero)
	case gateway.Float:
		x.real = read[float64](f.Name, zero)
	case gateway.Strings:
		x.list = read[[]string](f.Name, zero)
	}
	return x
}

// read returns the reader of a fact; one of another type than was declared
// counts as not found.
func read[T any](name string, zero any) func(l *look) T {
	none, _ := zero.(T)
	return func(l *look) T {
		v, _ := l.facts.Get(name)
		if x, ok := v.(T); ok {
			return x
		}
		return none
	}
}

// builder makes rules of what is written.
type builder struct {
	s      *Set
	c      *expr.Compiler
	errs   expr.Errors
	named  map[string]*written
	byName map[string]*fact
	n      int
}

// written is where the rule of a name stands.
type written struct {
	f     *expr.File
	at    expr.Position
	index int
}

func (b *builder) file(f *expr.File) {
	for _, n := range f.Rules("a rule file", MaxRules) {
		if b.n++; b.n > MaxRules {
			f.Problem(expr.NodePos(n), fmt.Sprintf("there are more than %d rules", MaxRules), "")
			return
		}
		b.rule(f, n)
	}
}

var (
	keys     = []string{"name", "group", "when", "describe", "weight", "hits", "misses"}
	needed   = map[string]string{"name": "reasons and weights go by it", "when": "the condition, CEL", "describe": "what people read who ask why", "weight": "log-odds: 1 is weak, 3 is strong, below 0 speaks for ham"}
	nameForm = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
)

// maxName bounds the name of a rule and of a group.
const maxName = 48

// rule reads one rule and adds it.
func (b *builder) rule(f *expr.File, n ast.Node) {
	entries, ok := f.Mapping(n, "a rule")
	if !ok {
		return
	}
	before := f.Count()
	at := expr.NodePos(n)
	f.Strict(entries, "a rule", keys...)
	r := &compiled{Rule: Rule{Place: place(f, at)}}
	there := map[string]bool{}
	var name expr.Text
	for _, e := range entries {
		there[e.Key] = true
		if t, ok := b.key(f, r, e); ok && e.Key == "name" {
			name = t
		}
	}
	for _, key := range keys {
		if r.gone() && (key == "describe" || key == "weight") {
			continue // nobody ever asks
		}
		if hint := needed[key]; hint != "" && !there[key] {
			f.Problem(at, fmt.Sprintf("the rule has no %q", key), hint)
		}
	}
	if r.Name != "" && !b.taken(f, name, r) && f.Count() == before {
		b.add(f, at, r)
	}
}

// taken tells whether a rule of the same file has the name.
func (b *builder) taken(f *expr.File, name expr.Text, r *compiled) bool {
	old := b.named[r.Name]
	if old == nil || old.f != f {
		return false
	}
	f.Problem(name.Pos, fmt.Sprintf("the name %q is taken", r.Name), fmt.Sprintf("by the rule at %s:%d", f.Name(), old.at.Line))
	return true
}

func (b *builder) add(f *expr.File, at expr.Position, r *compiled) {
	if old := b.named[r.Name]; old != nil {
		b.s.rules[old.index] = r
		old.f, old.at = f, at
		return
	}
	b.named[r.Name] = &written{f, at, len(b.s.rules)}
	b.s.rules = append(b.s.rules, r)
}

// key reads one key of a rule.
func (b *builder) key(f *expr.File, r *compiled, e expr.Entry) (expr.Text, bool) {
	switch e.Key {
	case "hits":
		r.Hits = tests(f, e)
		return expr.Text{}, true
	case "misses":
		r.Misses = tests(f, e)
		return expr.Text{}, true
	case "name", "group", "when", "describe", "weight":
	default:
		return expr.Text{}, false
	}
	t, ok := f.Scalar(e.Value, e.Key)
	if !ok {
		return t, false
	}
	switch e.Key {
	case "name":
		r.Name = word48(t, "rule")
	case "group":
		r.Group = word48(t, "group")
	case "when":
		b.when(r, t)
	case "describe":
		b.describe(r, t)
	case "weight":
		w, err := strconv.ParseFloat(t.Value, 64)
		if err != nil || math.IsNaN(w) || math.Abs(w) > MaxWeight {
			f.Problem(t.Pos, fmt.Sprintf("the weight cannot be %.40q", t.Value), fmt.Sprintf("a number from -%d to %d", MaxWeight, MaxWeight))
		}
		r.Weight = w
	}
	return t, true
}

// word48 reads a name.
func word48(t expr.Text, what string) string {
	if len(t.Value) > maxName || !nameForm.MatchString(t.Value) {
		t.File.Problem(t.Pos, fmt.Sprintf("%.60q cannot be the name of a %s", t.Value, what), "small letters, digits and hyphens, 48 at most: reply-elsewhere")
		return ""
	}
	return t.Value
}

// when compiles the condition.
func (b *builder) when(r *compiled, t expr.Text) {
	r.When = strings.TrimSpace(t.Value)
	cond, ok := b.c.Compile(t, gateway.StageMessage)
	if !ok {
		return
	}
	r.prog = cond.Prog
	c := closures{cond.Tree, b.byName}
	r.quick = c.bool(cond.Tree.Expr())
}

// describe reads the text that a hit has.
func (b *builder) describe(r *compiled, t expr.Text) {
	t.Value = strings.TrimSpace(t.Value)
	r.Describe = t.Value
	if t.Value == "" || len(t.Value) > maxReason || strings.ContainsAny(t.Value, "\n\t") {
		t.File.Problem(t.Pos, fmt.Sprintf("describe is one line of up to %d octets", maxReason), "")
		return
	}
	if tpl, ok := b.c.Template(t, 0, gateway.StageMessage); ok {
		r.describe = tpl
		r.fixed, _ = tpl.Static()
	}
}

// tests reads the messages under hits or misses.
func tests(f *expr.File, e expr.Entry) []string {
	texts, ok := f.Scalars(e.Value, e.Key)
	if !ok {
		return nil
	}
	if len(texts) > MaxTests {
		f.Problem(e.Pos, fmt.Sprintf("there are more than %d messages", MaxTests), "")
		texts = texts[:MaxTests]
	}
	list := make([]string, len(texts))
	for i, t := range texts {
		list[i] = t.Value
	}
	return slices.Clip(list)
}

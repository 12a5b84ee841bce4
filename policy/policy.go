package policy

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"sync"

	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/policy/expr"
)

// Policy is a loaded policy: a gateway.Filter whose dispositions the gateway
// carries out. It does not change and may be asked by many goroutines.
type Policy struct {
	vars      map[string]*expr.Variable
	readers   []reader // by slot of vars
	rcptSlots []int    // of vars that differ by recipient
	rules     []*rule
	stages    [gateway.StageSubmission + 1][]*rule
	perRcpt   [gateway.StageSubmission + 1]bool // some rule of the stage looks at the recipient
	used      map[string]bool
	pool      sync.Pool // of *activation
}

var (
	_ gateway.Filter = (*Policy)(nil)
	_ gateway.Staged = (*Policy)(nil)
)

// Env is what a policy may speak of.
type Env struct {
	// Fields are the facts of all filters, of those not configured too: their
	// facts then have their default values.
	Fields []gateway.Field
	// Routes are the names that route may have; nil: any.
	Routes []string
	// Lanes and Pools are those that the queue has; nil: any.
	Lanes, Pools []string
}

//go:embed default.yaml
var defaultPolicy []byte

// DefaultName is what the built-in policy is called in traces.
const DefaultName = "default.yaml"

// Default returns the built-in policy.
func Default() Source { return Source{Name: DefaultName, Data: slices.Clone(defaultPolicy)} }

// DefaultRules returns the names of the built-in policy's rules.
func DefaultRules() []string {
	raw, _ := readRules([]Source{Default()}, new(Errors))
	names := make([]string, len(raw))
	for i, r := range raw {
		names[i] = r.name.Value
	}
	return names
}

// What policy files share with other files of rules.
type (
	// Source is one policy file.
	Source = expr.Source
	// Problem is one mistake in a policy file.
	Problem = expr.Problem
	// Errors are all the mistakes that Load found.
	Errors = expr.Errors
	// Function is one function of conditions.
	Function = expr.Function
)

// Functions lists every function of conditions.
func Functions() []Function { return expr.Functions() }

// Bounds of policies.
const (
	MaxRules = 2000 // rules of all files together
	MaxEdits = 20   // header fields that one rule adds or removes
)

// Load reads policy files, one after the other; the rules of all are asked in
// that order. Without files it is the built-in policy. The error is Errors
// when the files are at fault.
func Load(files []string, env Env) (*Policy, error) {
	if len(files) == 0 {
		return Parse([]Source{Default()}, env)
	}
	sources, err := expr.ReadSources(files)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return Parse(sources, env)
}

// Parse is Load with the text of the files.
func Parse(sources []Source, env Env) (*Policy, error) {
	vars, readers, err := variables(env.Fields)
	if err != nil {
		return nil, err
	}
	language, err := expr.NewCompiler(vars)
	if err != nil {
		return nil, err
	}
	language.Empty = `leave "if" out for a rule without a condition`
	c := &compiler{language}
	var errs Errors
	raw, names := readRules(sources, &errs)
	raw = boundRules(raw)
	duplicates(raw)
	p := &Policy{vars: vars, readers: readers, used: map[string]bool{}}
	ends := map[gateway.Stage]*rule{}
	for _, rr := range raw {
		r, ok := c.build(rr, env)
		if !ok {
			continue
		}
		if end := ends[r.stage]; end != nil {
			rr.name.File.Problem(rr.pos, fmt.Sprintf("the rule is never asked: %q decides about everything at stage %s", end.name, r.stage),
				"put it before, or give the other an if")
		}
		if rr.cond == nil && !rr.bad && r.action != gateway.Continue {
			ends[r.stage] = r
		}
		p.add(r)
	}
	if len(errs) > 0 {
		return nil, errs.Sorted(names)
	}
	p.finish()
	return p, nil
}

// readRules reads the rules of all sources.
func readRules(sources []Source, errs *Errors) (rules []*rawRule, names []string) {
	for _, src := range sources {
		if slices.Contains(names, src.Name) {
			*errs = append(*errs, Problem{File: src.Name, Msg: "the file is listed twice"})
			continue
		}
		names = append(names, src.Name)
		if f, ok := expr.NewFile(src, "policy file", errs); ok {
			rules = append(rules, readFile(f)...)
		}
	}
	return rules, names
}

// boundRules cuts the list of rules at MaxRules.
func boundRules(raw []*rawRule) []*rawRule {
	if len(raw) <= MaxRules {
		return raw
	}
	over := raw[MaxRules]
	over.name.File.Problem(over.pos, fmt.Sprintf("there are more than %d rules", MaxRules), "")
	return raw[:MaxRules]
}

// duplicates tells rules that share a name.
func duplicates(raw []*rawRule) {
	first := map[string]*rawRule{}
	for _, r := range raw {
		if r.name.Value == "" {
			continue
		}
		if o := first[r.name.Value]; o != nil {
			r.name.File.Problem(r.name.Pos, fmt.Sprintf("the name %q is taken", r.name.Value),
				fmt.Sprintf("by the rule at %s:%d", o.name.File.Name(), o.pos.Line))
			continue
		}
		first[r.name.Value] = r
	}
}

// add appends a rule.
func (p *Policy) add(r *rule) {
	r.index = len(p.rules)
	p.rules = append(p.rules, r)
	p.stages[r.stage] = append(p.stages[r.stage], r)
	p.perRcpt[r.stage] = p.perRcpt[r.stage] || r.perRcpt
	facts := r.texts()
	if r.cond != nil {
		facts = append(facts, r.cond.Facts...)
	}
	for _, v := range facts {
		p.used[v.Name] = true
	}
}

// finish prepares what Check uses.
func (p *Policy) finish() {
	for _, v := range p.vars {
		if v.Rcpt {
			p.rcptSlots = append(p.rcptSlots, v.Slot)
		}
	}
	p.pool.New = func() any { return newActivation(p) }
}

// Name returns "policy".
func (p *Policy) Name() string { return "policy" }

// Fields returns nil: a policy finds nothing, it decides.
func (p *Policy) Fields() []gateway.Field { return nil }

// Stages returns the stages at which the policy has rules.
func (p *Policy) Stages() []gateway.Stage {
	return slices.DeleteFunc(slices.Clone(gateway.Stages), func(s gateway.Stage) bool { return len(p.stages[s]) == 0 })
}

// Len returns the number of rules.
func (p *Policy) Len() int { return len(p.rules) }

// Rules returns the names of the rules in the order in which they are asked.
func (p *Policy) Rules() []string {
	names := make([]string, len(p.rules))
	for i, r := range p.rules {
		names[i] = r.name
	}
	return names
}

// Uses tells whether any rule looks at the fact.
func (p *Policy) Uses(fact string) bool { return p.used[fact] }

// Used returns the facts that rules look at, sorted.
func (p *Policy) Used() []string {
	names := make([]string, 0, len(p.used))
	for name := range p.used {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Check asks the rules of a stage. The verdict has no disposition when no rule
// took part; one about the last recipient at StageRcpt; and at StageHeader,
// StageMessage and StageSubmission one for each recipient where some rule looks at the
// recipient, else one for all. An error is only that of ctx.
func (p *Policy) Check(ctx context.Context, stage gateway.Stage, tx *gateway.Transaction) (gateway.Verdict, error) {
	if stage < gateway.StageConnect || stage > gateway.StageSubmission || len(p.stages[stage]) == 0 {
		return gateway.Verdict{}, nil
	}
	a := p.pool.Get().(*activation)
	a.tx, a.rcpt, a.alone = tx, -1, stage == gateway.StageRcpt
	defer func() {
		a.reset()
		p.pool.Put(a)
	}()
	if stage == gateway.StageRcpt {
		a.turn(len(tx.Rcpts) - 1)
	} else if stage > gateway.StageRcpt && p.perRcpt[stage] && len(tx.Rcpts) > 0 {
		return p.checkEach(ctx, stage, a)
	}
	d := p.ask(stage, a)
	if d.Action == gateway.Continue && len(d.Rules) == 0 {
		return gateway.Verdict{}, ctx.Err()
	}
	return gateway.Verdict{Dispositions: []gateway.Disposition{d}}, ctx.Err()
}

// checkEach asks the rules for each recipient.
func (p *Policy) checkEach(ctx context.Context, stage gateway.Stage, a *activation) (gateway.Verdict, error) {
	all := make([]gateway.Disposition, len(a.tx.Rcpts))
	said := false
	for i := range all {
		if err := ctx.Err(); err != nil {
			return gateway.Verdict{}, err
		}
		a.turn(i)
		all[i] = p.ask(stage, a)
		said = said || len(all[i].Rules) > 0
	}
	if !said {
		return gateway.Verdict{}, nil
	}
	return gateway.Verdict{Dispositions: all}, nil
}

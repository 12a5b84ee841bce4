package expr

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	celast "cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"

	"github.com/gapura-mail/gapura/gateway"
)

// maxCost bounds the work of a condition with a loop, in CEL's units, of about
// 50 ns each; other conditions are linear in the length of what they look at.
const maxCost = 200_000

// Variable is a fact as conditions see it. One without a type is a timestamp.
type Variable struct {
	gateway.Field
	Slot int // its number, from 0
}

// Condition is a compiled condition and what is known about it.
type Condition struct {
	Prog  cel.Program
	Facts []*Variable // that it reads
	Loops bool        // it has loops: CostLimit is set
	Tree  *celast.AST // checked
}

// Compiler turns conditions into programs. It lives while files are loaded.
type Compiler struct {
	// Empty is the hint about a condition with nothing in it.
	Empty string
	// CostLimit bounds every condition, in CEL's units, and has the cost of
	// each evaluation told; 0: only those with loops are bounded, by 200,000.
	CostLimit uint64

	env       *cel.Env
	vars      map[string]*Variable
	names     []string // of vars, sorted
	functions []string
	literals  *literals
}

// NewCompiler declares every fact and function.
func NewCompiler(vars map[string]*Variable) (*Compiler, error) {
	c := &Compiler{vars: vars, literals: &literals{networks: map[string]netip.Prefix{}, domains: map[string]string{}}}
	options := []cel.EnvOption{
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		ext.Strings(ext.StringsVersion(3)),
		cel.ExtendedValidations(),
		cel.ASTValidators(cel.ValidateComprehensionNestingLimit(2)),
		cel.ParserExpressionSizeLimit(MaxCondition),
		cel.ParserRecursionLimit(100),
		cel.ParserErrorRecoveryLimit(5),
		cel.ExpressionNodeLimit(20_000),
		cel.EnableHiddenAccumulatorName(true),
	}
	options = append(options, c.literals.options()...)
	for name, v := range vars {
		options = append(options, cel.Variable(name, celType(v)))
		c.names = append(c.names, name)
	}
	slices.Sort(c.names)
	for _, f := range Functions() {
		c.functions = append(c.functions, f.Name)
	}
	var err error
	c.env, err = cel.NewEnv(options...)
	if err != nil {
		return nil, fmt.Errorf("expr: %w", err)
	}
	return c, nil
}

func celType(v *Variable) *cel.Type {
	switch v.Type {
	case gateway.String:
		return cel.StringType
	case gateway.Bool:
		return cel.BoolType
	case gateway.Int:
		return cel.IntType
	case gateway.Float:
		return cel.DoubleType
	case gateway.Strings:
		return cel.ListType(cel.StringType)
	}
	return cel.TimestampType // now
}

// Compile checks a condition for a stage and makes a program of it. Mistakes
// go to the text's file.
func (c *Compiler) Compile(t Text, stage gateway.Stage) (*Condition, bool) {
	if strings.TrimSpace(t.Value) == "" {
		t.File.Problem(t.Pos, "the condition is empty", c.Empty)
		return nil, false
	}
	if n := utf8.RuneCountInString(t.Value); n > MaxCondition {
		t.File.Problem(t.Pos, fmt.Sprintf("the condition has more than %d characters", MaxCondition), "")
		return nil, false
	}
	checked, ok := c.check(t)
	if !ok {
		return nil, false
	}
	w := walker{c: c, t: t, stage: stage, runes: []rune(t.Value), tree: checked.NativeRep()}
	w.expr(w.tree.Expr())
	if out := checked.OutputType(); !out.IsExactType(types.BoolType) {
		w.fail(Position{}, "the condition is a "+out.String()+", not true or false", asCondition(out))
	}
	if w.failed {
		return nil, false
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if c.CostLimit > 0 {
		options = append(options, cel.CostLimit(c.CostLimit))
	} else if w.loops {
		options = append(options, cel.CostLimit(maxCost))
	}
	prog, err := c.env.Program(checked, options...)
	if err != nil {
		w.fail(Position{}, err.Error(), "")
		return nil, false
	}
	return &Condition{Prog: prog, Facts: w.facts, Loops: w.loops, Tree: w.tree}, true
}

// check parses the condition and checks its types. A parser that panics must
// not end a gateway that reloads its policy.
func (c *Compiler) check(t Text) (checked *cel.Ast, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			t.File.Problem(t.Pos, fmt.Sprintf("the condition cannot be read: %v", r), "")
			checked, ok = nil, false
		}
	}()
	checked, issues := c.env.Compile(t.Value)
	if issues.Err() != nil {
		c.tell(t, issues.Errors())
		return nil, false
	}
	return checked, true
}

// asCondition hints how a value of the type becomes a condition.
func asCondition(t *types.Type) string {
	switch t.Kind() {
	case types.StringKind:
		return `compare it: == "..."`
	case types.IntKind, types.DoubleKind:
		return "compare it: > 0"
	case types.ListKind:
		return `ask for an item: "..." in it, or size(it) > 0`
	}
	return ""
}

package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/ext"

	"github.com/gapura-mail/gapura/gateway"
)

// maxCost bounds the work of a condition with a loop, in CEL's units, of about
// 50 ns each; other conditions are linear in the length of what they look at.
const maxCost = 200_000

// condition is a compiled condition and what is known about it.
type condition struct {
	prog  cel.Program
	facts []*variable // that it reads
}

// compiler turns conditions into programs. It lives while a policy is loaded.
type compiler struct {
	env       *cel.Env
	vars      map[string]*variable
	names     []string // of vars, sorted
	functions []string
	literals  *literals
}

// newCompiler declares every fact and function.
func newCompiler(vars map[string]*variable) (*compiler, error) {
	c := &compiler{vars: vars, literals: &literals{networks: map[string]netip.Prefix{}, domains: map[string]string{}}}
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
		return nil, fmt.Errorf("policy: %w", err)
	}
	return c, nil
}

func celType(v *variable) *cel.Type {
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

// compile checks a condition for a stage and makes a program of it. Mistakes
// go to the text's file.
func (c *compiler) compile(t text, stage gateway.Stage) (*condition, bool) {
	if strings.TrimSpace(t.value) == "" {
		t.f.problem(t.pos, "the condition is empty", `leave "if" out for a rule without a condition`)
		return nil, false
	}
	if n := utf8.RuneCountInString(t.value); n > MaxCondition {
		t.f.problem(t.pos, fmt.Sprintf("the condition has more than %d characters", MaxCondition), "")
		return nil, false
	}
	checked, ok := c.check(t)
	if !ok {
		return nil, false
	}
	w := walker{c: c, t: t, stage: stage, runes: []rune(t.value), tree: checked.NativeRep()}
	w.expr(w.tree.Expr())
	if out := checked.OutputType(); !out.IsExactType(types.BoolType) {
		w.fail(position{}, "the condition is a "+out.String()+", not true or false", asCondition(out))
	}
	if w.failed {
		return nil, false
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if w.loops {
		options = append(options, cel.CostLimit(maxCost))
	}
	prog, err := c.env.Program(checked, options...)
	if err != nil {
		w.fail(position{}, err.Error(), "")
		return nil, false
	}
	return &condition{prog, w.facts}, true
}

// check parses the condition and checks its types. A parser that panics must
// not end a gateway that reloads its policy.
func (c *compiler) check(t text) (checked *cel.Ast, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			t.f.problem(t.pos, fmt.Sprintf("the condition cannot be read: %v", r), "")
			checked, ok = nil, false
		}
	}()
	checked, issues := c.env.Compile(t.value)
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

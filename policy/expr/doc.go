// Package expr reads conditions and texts that administrators write into YAML
// files: CEL over typed facts, texts with facts in braces, every mistake told
// with file, line, column and a hint. The policy and the spam filter's rules
// are such files; what a rule is they know themselves.
//
//	f, ok := expr.NewFile(src, "policy file", &errs)
//	entries, ok := f.Mapping(f.Parse(), "a policy file")
//	text, ok := f.Scalar(entry.Value, "if")
//	cond, ok := compiler.Compile(text, gateway.StageMessage)
package expr

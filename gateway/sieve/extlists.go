package sieve

import "strings"

// Names of lists (RFC 6134 section 2.2).
const (
	listURN    = "urn:ietf:params:sieve:addrbook:"
	listPrefix = ":addrbook:"
)

// listSpecs is RFC 6134 without redirect :list.
func listSpecs() []spec {
	return []spec{{
		name: "valid_ext_list", ext: "extlists", test: true, pos: []param{{aStrings, "list names", false}}, check: func(_ *compiler, _ *node, a *args) test {
			return &validListTest{a.pos[0].strs}
		},
	}}
}

// listName returns the short form of a name.
func listName(s string) string {
	if rest, ok := strings.CutPrefix(s, listURN); ok {
		return listPrefix + rest
	}
	return s
}

type validListTest struct{ names []*str }

func (t *validListTest) eval(r *run) (bool, error) {
	names, err := evalAll(r, t.names)
	if err != nil || r.env.Lists == nil {
		return false, err
	}
	for _, n := range names {
		if err := r.spend(lookup); err != nil {
			return false, err
		}
		if ok, err := r.env.Lists.Known(r.ctx, listName(n)); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// onList tells whether the value is on the list.
func (r *run) onList(p Pos, list, value string) (bool, error) {
	if r.env.Lists == nil {
		return false, nil
	}
	if err := r.spend(lookup); err != nil {
		return false, err
	}
	ok, err := r.env.Lists.Contains(r.ctx, listName(list), value)
	if err != nil {
		return false, r.at(p, err)
	}
	if ok && r.capture {
		r.setMatch([]string{value})
	}
	return ok, nil
}

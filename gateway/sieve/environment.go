package sieve

import "strings"

// environmentSpecs is RFC 5183.
func environmentSpecs() []spec {
	return []spec{{
		name: "environment", ext: "environment", test: true, tags: matchTags(),
		pos: []param{{aString, "name", false}, {aStrings, "key list", false}}, check: compileEnvironment,
	}}
}

type environmentTest struct {
	name *str
	m    *matcher
}

func compileEnvironment(c *compiler, n *node, a *args) test {
	m := c.matcher(n.Pos, a, a.pos[1].strs)
	if m == nil {
		return nil
	}
	return &environmentTest{a.pos[0].strs[0], m}
}

// eval compares an item; one that is not known matches nothing (RFC 5183
// section 4).
func (t *environmentTest) eval(r *run) (bool, error) {
	name, err := t.name.eval(r)
	if err != nil {
		return false, err
	}
	v, ok := r.env.Items[strings.ToLower(name)]
	if !ok {
		return false, nil
	}
	return t.m.any(r, []string{v})
}

// namespace returns a variable of a namespace of the environment's.
func (r *run) namespace(space, name string) string {
	if items, ok := strings.CutPrefix(space, "env"); ok {
		key := strings.TrimPrefix(items+"."+name, ".")
		if v, ok := r.env.Items[key]; ok {
			return v
		}
		return r.env.Items[strings.ReplaceAll(key, "_", "-")]
	}
	return r.env.Items[space+"."+name]
}

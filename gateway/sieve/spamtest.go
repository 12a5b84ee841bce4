package sieve

import "strconv"

// spamSpecs is RFC 5235.
func spamSpecs() []spec {
	value := []param{{aString, "value", false}}
	return []spec{
		{name: "spamtest", ext: "spamtest", test: true, tags: append(matchTags(), tagSpec{name: "percent", ext: "spamtestplus"}), pos: value, check: compileSpam},
		{name: "virustest", ext: "virustest", test: true, tags: matchTags(), pos: value, check: compileSpam},
	}
}

type spamTest struct {
	virus, percent bool
	m              *matcher
}

func compileSpam(c *compiler, n *node, a *args) test {
	m := c.matcher(n.Pos, a, a.pos[0].strs)
	if m == nil {
		return nil
	}
	return &spamTest{n.name == "virustest", a.has("percent"), m}
}

// eval compares the value, which is 0 where nobody tested; :count tells that
// apart (RFC 5235 section 2.2).
func (t *spamTest) eval(r *run) (bool, error) {
	v := SpamValue(r.env.Spam)
	tested := r.env.SpamTested
	switch {
	case t.virus:
		v, tested = min(r.env.Virus, 5), r.env.Virus > 0
	case t.percent:
		v = min(max(r.env.Spam, 0), 100)
	}
	if !tested {
		v = 0
		if t.m.typ == matchCount {
			return t.m.any(r, nil)
		}
	}
	return t.m.any(r, []string{strconv.Itoa(v)})
}

// SpamValue returns the value of spamtest for a percentage: 1 clearly not
// spam to 10 clearly spam (RFC 5235 section 2.1).
func SpamValue(percent int) int {
	return 1 + 9*min(max(percent, 0), 100)/100
}

package text

import "bytes"

// cutSelector splits at the next comma that stands in no brackets.
func cutSelector(b []byte) (sel, rest []byte) {
	depth := 0
	for i, c := range b {
		switch c {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case ',':
			if depth <= 0 {
				return trimSpace(b[:i]), b[i+1:]
			}
		}
	}
	return trimSpace(b), nil
}

// parseSelector takes a selector apart: first the conditions of the element
// itself, last of them, then those of elements around it, the nearest first.
func parseSelector(list *[maxConditions]condition, sel []byte) (n, last int, ok bool) {
	var parts [4][]byte
	var joins [4]byte
	k := 0
	for len(sel) > 0 {
		if k == len(parts) {
			return 0, 0, false
		}
		end, join, next := compoundEnd(sel)
		if end == 0 {
			return 0, 0, false
		}
		parts[k], joins[k] = sel[:end], join
		k++
		if sel = sel[next:]; join == '|' {
			return 0, 0, false
		}
	}
	for i := k - 1; i >= 0; i-- {
		m, ok := parseCompound(list[n:], parts[i], 0)
		if !ok {
			return 0, 0, false
		}
		if i < k-1 {
			list[n].up = joins[i]
		} else {
			last = m
		}
		n += m
	}
	return n, last, n > 0
}

// compoundEnd finds where a compound selector ends, what joins it to the next
// one, and where that begins.
func compoundEnd(b []byte) (end int, join byte, next int) {
	depth := 0
	for i, c := range b {
		switch {
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth--
		case depth <= 0 && (c == '>' || c == '+' || c == '~' || class[c]&white != 0):
			join, next = ' ', i
			for next < len(b) {
				if c := b[next]; c == '>' || c == '+' || c == '~' {
					if join != ' ' {
						return 0, 0, 0
					}
					join = c
				} else if class[c]&white == 0 {
					break
				}
				next++
			}
			return i, join, next
		}
	}
	return len(b), 0, len(b)
}

// parseCompound reads tag.class#id[attribute]:pseudo.
func parseCompound(list []condition, b []byte, depth int) (n int, ok bool) {
	if len(b) > 0 && b[0] != '.' && b[0] != '#' && b[0] != '[' && b[0] != ':' {
		i := nameEnd(b)
		if len(list) == 0 {
			return 0, false
		}
		if name := b[:i]; len(name) == 1 && name[0] == '*' {
			list[0] = condition{kind: '*'}
		} else if equalFold(name, "body") {
			list[0] = condition{kind: 't', hash: hashHTML}
		} else {
			list[0] = condition{kind: 't', hash: hashFold(name)}
		}
		n, b = 1, b[i:]
	}
	for len(b) > 0 {
		if n == len(list) {
			return 0, false
		}
		switch b[0] {
		case '.', '#':
			i := 1 + nameEnd(b[1:])
			if i == 1 {
				return 0, false
			}
			list[n] = condition{kind: b[0], hash: hashName(b[0], b[1:i])}
			n, b = n+1, b[i:]
		case '[':
			i := bytes.IndexByte(b, ']')
			if i < 0 || !list[n].attribute(b[1:i]) {
				return 0, false
			}
			n, b = n+1, b[i+1:]
		case ':':
			m, rest, ok := parsePseudo(list[n:], b[1:], depth)
			if !ok {
				return 0, false
			}
			n, b = n+m, rest
		default:
			return 0, false
		}
	}
	return n, n > 0
}

// nameEnd is where a name of CSS ends.
func nameEnd(b []byte) int {
	for i, c := range b {
		switch c {
		case '.', '#', '[', ':', '(', ')', ']':
			return i
		}
	}
	return len(b)
}

// parsePseudo reads what is asked for behind a colon. What depends on where an
// element stands, or on what its reader does, is not understood.
func parsePseudo(list []condition, b []byte, depth int) (n int, rest []byte, ok bool) {
	if depth > maxNested {
		return 0, nil, false
	}
	if len(list) == 0 {
		return 0, nil, false
	}
	i := nameEnd(b)
	name, inner := b[:i], []byte(nil)
	rest = b[i:]
	if len(rest) > 0 && rest[0] == '(' {
		inner, rest = cutBracket(rest[1:])
		inner = trimSpace(inner)
	}
	switch {
	case equalFold(name, "root"):
		list[0] = condition{kind: 't', hash: hashHTML}
		return 1, rest, true
	case equalFold(name, "lang"):
		list[0] = condition{}
		return 1, rest, list[0].attribute(append([]byte("lang|="), bytes.Trim(inner, `"'`)...))
	case equalFold(name, "is"), equalFold(name, "where"), equalFold(name, "matches"):
		n, ok = parseList(list, inner, depth+1)
		return n, rest, ok
	case equalFold(name, "not"):
		n, ok = parseList(list, inner, depth+1)
		for i := range list[:n] { // none of them
			if list[i].not = !list[i].not; i < n-1 && !list[i].or {
				return 0, nil, false
			}
			list[i].or = false
		}
		return n, rest, ok
	case equalFold(name, "hover"), equalFold(name, "focus"), equalFold(name, "active"), equalFold(name, "visited"), equalFold(name, "target"):
		list[0] = condition{kind: '-'}
		return 1, rest, depth > 0
	case equalFold(name, "first-child"):
		list[0] = condition{kind: ':', b: 1}
		return 1, rest, true
	case equalFold(name, "nth-child") && list[0].place(inner):
		return 1, rest, true
	case hasPrefixFold(name, "nth-") && (equalFold(inner, "n") || equalFold(inner, "1n") || equalFold(inner, "n+1") || equalFold(inner, "n+0") || equalFold(inner, "1n+0")):
		list[0] = condition{kind: '*'}
		return 1, rest, true
	}
	return 0, nil, false
}

// parseList reads selectors of which one is to be met; where there are several,
// each is one condition.
func parseList(list []condition, b []byte, depth int) (n int, ok bool) {
	single := true
	for len(b) > 0 {
		var sel []byte
		sel, b = cutSelector(b)
		m, ok := parseCompound(list[n:], sel, depth)
		if single = single && m == 1; !ok || !single && n > 0 {
			return 0, false
		}
		if n > 0 {
			list[n-1].or = true
		}
		n += m
	}
	return n, n > 0
}

// place reads an+b.
func (c *condition) place(s []byte) bool {
	*c = condition{kind: ':'}
	switch {
	case equalFold(s, "even"):
		c.a = 2
		return true
	case equalFold(s, "odd"):
		c.a, c.b = 2, 1
		return true
	}
	times, rest, has := bytes.Cut(s, []byte("n"))
	if !has {
		times, rest = nil, s
	} else if c.a = 1; len(times) > 0 {
		switch times[0] {
		case '-', '+':
			if len(times) == 1 {
				c.a = int16(',') - int16(times[0])
				break
			}
			fallthrough
		default:
			v, unit, ok := number(times)
			if !ok || len(unit) > 0 || v != float64(int16(v)) {
				return false
			}
			c.a = int16(v)
		}
	}
	if rest = trimSpace(rest); len(rest) == 0 {
		return has
	}
	sign := 1.0
	if rest[0] == '-' {
		sign = -1
	}
	if rest[0] == '-' || rest[0] == '+' {
		rest = trimSpace(rest[1:])
	}
	v, unit, ok := number(rest)
	c.b = int16(sign * v)
	return ok && len(unit) == 0 && sign*v == float64(c.b)
}

// attribute reads what stands in brackets.
func (c *condition) attribute(b []byte) bool {
	*c = condition{kind: '['}
	name, value, has := bytes.Cut(b, []byte("="))
	name = trimSpace(name)
	if has {
		if c.op = '='; len(name) > 0 && bytes.IndexByte([]byte("~|^$*"), name[len(name)-1]) >= 0 {
			c.op = name[len(name)-1]
			name = trimSpace(name[:len(name)-1])
		}
		value = trimSpace(value)
		if i := bytes.LastIndexByte(value, '"'); i < len(value)-1 && i > 0 || len(value) > 2 && value[len(value)-2] == ' ' {
			value = trimSpace(value[:len(value)-1]) // [a="b" i]
		}
		value = bytes.Trim(value, `"'`)
	}
	if len(name) == 0 || len(name) > len(c.name) || len(value) > len(c.value) {
		return false
	}
	for i, x := range name {
		c.name[i] = lower(x)
	}
	c.n, c.v = uint8(len(name)), uint8(copy(c.value[:], value))
	return true
}

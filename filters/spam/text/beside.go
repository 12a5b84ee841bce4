package text

// maxEarlier bounds the names of elements before one, in the same parent, that
// rules are asked of.
const maxEarlier = 24

// beside holds the names of the elements that began in one parent, as hashes.
type beside struct {
	list          [maxEarlier]uint32
	n, last, prev int // all, where those of the last one begin, of the one before
}

// add notes one more. Where there is no room, those before are forgotten.
func (b *beside) add(n *names) {
	if b.n+1+int(n.n) > len(b.list) {
		b.n, b.last = 0, 0
	}
	b.prev, b.last = b.last, b.n
	b.list[b.n] = n.tag
	b.n += 1 + copy(b.list[b.n+1:], n.list[:n.n])
}

// before gives the names of the elements before one, or of the last of these. The
// one itself is noted already, or is not.
func (b *beside) before(up byte, noted bool) []uint32 {
	from, to := b.last, b.n
	if noted {
		from, to = b.prev, b.last
	}
	if up == '~' {
		from = 0
	}
	return b.list[from:to]
}

// follows tells whether what is before an element at a depth meets conditions.
func (r *renderer) follows(conds []condition, depth int, noted bool) bool {
	if depth < 0 || depth >= len(r.beside) {
		return false
	}
	list := r.beside[depth].before(conds[0].up, noted)
	for i := range conds {
		c, found := &conds[i], false
		if c.not || c.or || c.kind != 't' && c.kind != '.' && c.kind != '#' {
			return false // not known any more
		}
		for _, h := range list {
			r.work++
			found = found || h == c.hash
		}
		if !found || r.work > maxRuleWork {
			return false
		}
	}
	return true
}

// note keeps the names of an element for those that follow it.
func (r *renderer) note(n *names) {
	if r.beside == nil {
		r.beside = make([]beside, maxDepth)
	}
	r.beside[len(r.stack)-1].add(n)
}

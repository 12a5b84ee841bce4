package model

// halves is a table of weights as files have them: the upper half of a float
// says all of it, and half the memory is twice as often in the cache.
type halves [1 << linearBits]uint16

func (t *halves) of(id uint32) float32 { return long(t[id%uint32(len(t))]) }

// sums returns what the weights of each view say of the features of v.
func (l *Layer) sums(v *Vector) (out [linear]float32) {
	if l.linear[0].half == nil {
		for i := range l.linear {
			out[i] = l.linear[i].sum(v.ids[i])
		}
		return out
	}
	var a, b, c lane
	for next := range View(linear) {
		x := &a
		if len(a.ids) > 0 {
			if x = &b; len(b.ids) > 0 {
				x = &c
			}
		}
		out[x.view] += x.sum
		*x = lane{table: l.linear[next].half, ids: v.ids[next], view: next}
		for len(a.ids) > 0 && len(b.ids) > 0 && len(c.ids) > 0 {
			threeSums(&a, &b, &c)
		}
	}
	for _, x := range [...]*lane{&a, &b, &c} {
		out[x.view] += x.rest()
	}
	return out
}

// lane is a sum under way. Each is made in the order of its features, for in
// another order it would be another in its last bits; several at once hide how
// long each addition takes.
type lane struct {
	table *halves
	ids   []uint32
	sum   float32
	view  View
}

// threeSums goes on with three sums until one of them is done.
func threeSums(a, b, c *lane) {
	n := min(len(a.ids), len(b.ids), len(c.ids))
	ai, bi, ci := a.ids[:n], b.ids[:n], c.ids[:n]
	at, bt, ct := a.table, b.table, c.table
	as, bs, cs := a.sum, b.sum, c.sum
	for i := range ai {
		as += at.of(ai[i])
		bs += bt.of(bi[i])
		cs += ct.of(ci[i])
	}
	a.sum, b.sum, c.sum = as, bs, cs
	a.ids, b.ids, c.ids = a.ids[n:], b.ids[n:], c.ids[n:]
}

// rest goes on with one sum to its end.
func (l *lane) rest() float32 {
	s := l.sum
	for _, id := range l.ids {
		s += l.table.of(id)
	}
	return s
}

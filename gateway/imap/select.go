package imap

// SelectCommand is SELECT or EXAMINE.
type SelectCommand struct {
	Mailbox   string
	CondStore bool
	QResync   *QResync // nil: not asked for
}

// QResync is SELECT's parameter of RFC 7162 section 3.2.5: what the client
// knows.
type QResync struct {
	Validity uint32
	ModSeq   uint64
	// Known are the UIDs that it knows; HasKnown tells whether they were given.
	Known    NumSet
	HasKnown bool
	// Seqs and UIDs are some that belong together, as many of the one as of
	// the other, in order; empty where they were not given.
	Seqs, UIDs NumSet
}

// SelectCommand expects what follows the command's name.
func (d *Decoder) SelectCommand(out *SelectCommand) bool {
	*out = SelectCommand{}
	if !d.SP() || !d.Mailbox(&out.Mailbox) {
		return false
	}
	if d.Take(' ') && !d.List(func() bool { return d.selectParam(out) }) {
		return false
	}
	return d.End()
}

func (d *Decoder) selectParam(out *SelectCommand) bool {
	switch {
	case d.TakeWord("CONDSTORE"):
		out.CondStore = true
		return true
	case out.QResync == nil && d.TakeWord("QRESYNC"):
		out.QResync = new(QResync)
		return d.SP() && d.qresync(out.QResync)
	}
	return d.Fail("a parameter of SELECT")
}

func (d *Decoder) qresync(q *QResync) bool {
	if !d.Byte('(') || !d.NZNumber(&q.Validity) || !d.SP() || !d.Number64(&q.ModSeq) {
		return false
	}
	if d.Take(' ') {
		if d.Peek() != '(' {
			q.HasKnown = true
			if !d.UIDSet(&q.Known) {
				return false
			}
			if d.Take(' ') && !d.matchData(q) {
				return false
			}
		} else if !d.matchData(q) {
			return false
		}
	}
	return d.Byte(')')
}

// matchData expects seq-match-data.
func (d *Decoder) matchData(q *QResync) bool {
	if !d.Byte('(') || !d.UIDSet(&q.Seqs) || !d.SP() || !d.UIDSet(&q.UIDs) || !d.Byte(')') {
		return false
	}
	if q.Seqs.Len() != q.UIDs.Len() {
		return d.Fail("as many UIDs as sequence numbers")
	}
	return true
}

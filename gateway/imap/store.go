package imap

// StoreHow is what STORE does with flags.
type StoreHow uint8

// The ways.
const (
	StoreSet    StoreHow = iota // FLAGS
	StoreAdd                    // +FLAGS
	StoreRemove                 // -FLAGS
)

// Store is the STORE command.
type Store struct {
	Set    NumSet
	How    StoreHow
	Silent bool
	Flags  Flags
	// UnchangedSince is RFC 7162's; HasUnchangedSince tells whether it was
	// given.
	UnchangedSince    uint64
	HasUnchangedSince bool
}

// Store expects what follows the command's name. It reuses the memory that out
// has.
func (d *Decoder) Store(out *Store) bool {
	*out = Store{Set: out.Set, Flags: out.Flags}
	out.Flags.System, out.Flags.Keywords = 0, out.Flags.Keywords[:0]
	if !d.SP() || !d.NumSet(&out.Set) || !d.SP() {
		return false
	}
	if d.Peek() == '(' && (!d.storeModifiers(out) || !d.SP()) {
		return false
	}
	switch {
	case d.Take('+'):
		out.How = StoreAdd
	case d.Take('-'):
		out.How = StoreRemove
	}
	if out.Silent = d.TakeWord("FLAGS.SILENT"); !out.Silent && !d.Word("FLAGS") {
		return false
	}
	if !d.SP() {
		return false
	}
	if d.Peek() == '(' {
		return d.FlagList(&out.Flags) && d.End()
	}
	for {
		if !d.Flag(&out.Flags) {
			return false
		}
		if !d.Take(' ') {
			return d.End()
		}
	}
}

func (d *Decoder) storeModifiers(out *Store) bool {
	return d.List(func() bool {
		out.HasUnchangedSince = true
		return d.Word("UNCHANGEDSINCE") && d.SP() && d.Number64(&out.UnchangedSince)
	})
}

// CopyMove is the COPY or the MOVE command.
type CopyMove struct {
	Set     NumSet
	Mailbox string
}

// CopyMove expects what follows the command's name.
func (d *Decoder) CopyMove(out *CopyMove) bool {
	return d.SP() && d.NumSet(&out.Set) && d.SP() && d.Mailbox(&out.Mailbox) && d.End()
}

// UIDExpunge expects what follows UID EXPUNGE.
func (d *Decoder) UIDExpunge(out *NumSet) bool {
	return d.SP() && d.NumSet(out) && d.End()
}

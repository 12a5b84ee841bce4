package imap

// MaxPatterns bounds the patterns of one LIST.
const MaxPatterns = 100

// ListSelect are the selection options of LIST, as bits (RFC 5258, RFC 6154).
type ListSelect uint8

// The selection options.
const (
	ListSubscribed ListSelect = 1 << iota
	ListRemote
	ListRecursiveMatch
	ListSpecialUse
)

var listSelectNames = [...]string{"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"}

// ListReturn are the return options of LIST, as bits (RFC 5258, RFC 5819, RFC
// 6154, RFC 9590).
type ListReturn uint8

// The return options.
const (
	ReturnSubscribed ListReturn = 1 << iota
	ReturnChildren
	ReturnSpecialUse
	ReturnStatus
	ReturnMetadata
)

var listReturnNames = [...]string{"SUBSCRIBED", "CHILDREN", "SPECIAL-USE"}

// ListCommand is LIST or LSUB.
type ListCommand struct {
	Extended  bool // it has more than a reference and one pattern
	Select    ListSelect
	Reference string
	Patterns  []string
	Return    ListReturn
	Status    StatusItem  // of ReturnStatus
	Metadata  GetMetadata // of ReturnMetadata; its Mailbox is empty
}

// ListCommand expects what follows the command's name.
func (d *Decoder) ListCommand(out *ListCommand) bool {
	*out = ListCommand{}
	if !d.SP() {
		return false
	}
	if d.Peek() == '(' {
		out.Extended = true
		item := func() bool { return takeBit(d, listSelectNames[:], &out.Select, "a selection option of LIST") }
		if !d.List(item) || !d.SP() {
			return false
		}
		if out.Select&ListRecursiveMatch != 0 && out.Select&^(ListRecursiveMatch|ListRemote) == 0 {
			return d.Fail("RECURSIVEMATCH beside another option") // RFC 5258 section 3
		}
	}
	return d.Mailbox(&out.Reference) && d.SP() && d.listPatterns(out) && d.listReturn(out) && d.End()
}

func (d *Decoder) listPatterns(out *ListCommand) bool {
	pattern := func() bool {
		var p string
		if len(out.Patterns) >= MaxPatterns {
			return d.Refuse("LIMIT", "too many patterns")
		}
		if !d.ListMailbox(&p) {
			return false
		}
		out.Patterns = append(out.Patterns, p)
		return true
	}
	if d.Peek() != '(' {
		return pattern()
	}
	out.Extended = true
	return d.List(pattern) && (len(out.Patterns) > 0 || d.Fail("a pattern"))
}

func (d *Decoder) listReturn(out *ListCommand) bool {
	if !d.Take(' ') {
		return true
	}
	out.Extended = true
	if !d.Word("RETURN") || !d.SP() {
		return false
	}
	return d.List(func() bool {
		if d.TakeWord("STATUS") {
			out.Return |= ReturnStatus
			return d.SP() && d.StatusItems(&out.Status)
		}
		if d.TakeWord("METADATA") { // RFC 9590
			out.Return |= ReturnMetadata
			out.Metadata.Entries = nil
			return d.SP() && d.Peek() == '(' && d.entries(&out.Metadata.Entries)
		}
		return takeBit(d, listReturnNames[:], &out.Return, "a return option of LIST")
	})
}

package imap

import "strings"

// MetadataDepth is the DEPTH option of GETMETADATA (RFC 5464 section 4.2.2).
type MetadataDepth uint8

// The depths.
const (
	Depth0 MetadataDepth = iota
	Depth1
	DepthInfinity
)

// GetMetadata is the GETMETADATA command.
type GetMetadata struct {
	Mailbox string // "": the server
	Entries []string
	Depth   MetadataDepth
	MaxSize uint64 // of HasMaxSize
	// HasMaxSize tells that longer values are not wanted.
	HasMaxSize bool
}

// GetMetadata expects what follows the command's name. The options may stand
// before the mailbox, too, where clients of the draft have them.
func (d *Decoder) GetMetadata(out *GetMetadata) bool {
	*out = GetMetadata{}
	if !d.SP() {
		return false
	}
	options := d.Peek() == '('
	if options && (!d.metadataOptions(out) || !d.SP()) {
		return false
	}
	if !d.Mailbox(&out.Mailbox) || !d.SP() {
		return false
	}
	if d.Peek() == '(' && !options && d.pos+1 < len(d.b) && d.b[d.pos+1] != '/' && d.b[d.pos+1] != '"' && d.b[d.pos+1] != '{' {
		if !d.metadataOptions(out) || !d.SP() {
			return false
		}
	}
	return d.entries(&out.Entries) && d.End()
}

func (d *Decoder) metadataOptions(out *GetMetadata) bool {
	return d.List(func() bool {
		switch {
		case d.TakeWord("MAXSIZE"):
			out.HasMaxSize = true
			return d.SP() && d.Number64(&out.MaxSize)
		case d.TakeWord("DEPTH"):
			if !d.SP() {
				return false
			}
			switch {
			case d.TakeWord("0"):
				out.Depth = Depth0
			case d.TakeWord("1"):
				out.Depth = Depth1
			case d.TakeWord("INFINITY"):
				out.Depth = DepthInfinity
			default:
				return d.Fail("a depth")
			}
			return true
		}
		return d.Fail("an option of GETMETADATA")
	})
}

// entries expects one entry or several in parentheses.
func (d *Decoder) entries(out *[]string) bool {
	one := func() bool {
		var e string
		if !d.entry(&e) {
			return false
		}
		if len(*out) >= MaxEntries {
			return d.Refuse("METADATA TOOMANY", "too many entries")
		}
		*out = append(*out, e)
		return true
	}
	if d.Peek() != '(' {
		return one()
	}
	return d.List(one) && (len(*out) > 0 || d.Fail("an entry"))
}

// entry expects the name of an entry, and returns it in lower case.
func (d *Decoder) entry(out *string) bool {
	var b []byte
	start := d.pos
	if !d.Astring(&b) {
		return false
	}
	s := string(b)
	bad := len(b) > MaxEntry || !strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/") || strings.Contains(s, "//") || strings.ContainsAny(s, "*%")
	for i := range len(b) {
		bad = bad || b[i] < ' ' || b[i] > 0x7e // RFC 5464 section 3.2
	}
	if bad {
		d.pos = start
		return d.Fail("the name of an entry")
	}
	*out = strings.ToLower(s)
	return true
}

// MetadataEntry is an entry with its value; nil: NIL, it is to be removed.
type MetadataEntry struct {
	Name  string
	Value []byte
}

// SetMetadata expects what follows SETMETADATA. Values alias the command.
func (d *Decoder) SetMetadata(mailbox *string, out *[]MetadataEntry) bool {
	*out = nil
	if !d.SP() || !d.Mailbox(mailbox) || !d.SP() {
		return false
	}
	return d.List(func() bool {
		var e MetadataEntry
		if !d.entry(&e.Name) || !d.SP() {
			return false
		}
		if !d.TakeWord("NIL") && !d.String8(&e.Value) {
			return false
		}
		if len(*out) >= MaxEntries {
			return d.Refuse("METADATA TOOMANY", "too many entries")
		}
		*out = append(*out, e)
		return true
	}) && (len(*out) > 0 || d.Fail("an entry")) && d.End()
}

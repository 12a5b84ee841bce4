package imap

// Bounds of the other commands.
const (
	MaxIDFields = 30   // RFC 2971 section 3.3
	MaxIDField  = 30   // octets of a field's name
	MaxIDValue  = 1024 // octets of a value
	MaxEnable   = 50   // capabilities in one ENABLE
	MaxEntries  = 100  // of METADATA in one command
	MaxEntry    = 1024 // octets of an entry's name
	MaxQuotas   = 20   // resources in one SETQUOTA
)

// IDField is a pair of ID; Value nil is NIL.
type IDField struct {
	Name  string
	Value []byte
}

// IDFields expects what follows ID: NIL or a list of pairs.
func (d *Decoder) IDFields(out *[]IDField) bool {
	*out = nil
	if !d.SP() {
		return false
	}
	if d.TakeWord("NIL") {
		return d.End()
	}
	return d.List(func() bool {
		if len(*out) >= MaxIDFields {
			return d.Fail("at most 30 fields")
		}
		var name, value []byte
		if !d.String(&name) || !d.SP() || !d.NString(&value) {
			return false
		}
		if len(name) > MaxIDField || len(value) > MaxIDValue {
			return d.Fail("a shorter field")
		}
		*out = append(*out, IDField{string(name), value})
		return true
	}) && d.End()
}

// Words expects atoms with a space before each, to the end of the command: the
// capabilities of ENABLE. They are in upper case.
func (d *Decoder) Words(out *[]string) bool {
	*out = nil
	for {
		var w []byte
		if !d.SP() || !d.Atom(&w) {
			return false
		}
		if len(*out) >= MaxEnable {
			return d.Fail("fewer words")
		}
		*out = append(*out, upperString(w))
		if d.AtEnd() {
			return true
		}
	}
}

func upperString(b []byte) string {
	up := make([]byte, len(b))
	for i, c := range b {
		up[i] = upper(c)
	}
	return string(up)
}

// QuotaResource is a resource and its limit (RFC 9208).
type QuotaResource struct {
	Name  string // in upper case
	Limit uint64
}

// SetQuota expects what follows SETQUOTA.
func (d *Decoder) SetQuota(root *string, out *[]QuotaResource) bool {
	*out = nil
	var b []byte
	if !d.SP() || !d.Astring(&b) || !d.SP() {
		return false
	}
	*root = string(b)
	return d.List(func() bool {
		if len(*out) >= MaxQuotas {
			return d.Fail("fewer resources")
		}
		var w []byte
		var r QuotaResource
		if !d.Atom(&w) || !d.SP() || !d.Number64(&r.Limit) {
			return false
		}
		r.Name = upperString(w)
		*out = append(*out, r)
		return true
	}) && d.End()
}

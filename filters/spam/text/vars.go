package text

import "bytes"

// Bounds of custom properties.
const (
	maxVars     = 64  // of a part
	maxVarName  = 64  // octets
	maxVarValue = 64  // octets of one that is kept
	maxResolved = 256 // octets of a value with them written out
)

// vars are the custom properties of CSS (--name: value) of a part, wherever
// they are declared: what has two values has the last one.
type vars struct {
	list    [maxVars]struct{ hash, at, n uint32 }
	n       int
	values  []byte
	scratch [2][]byte
}

func (v *vars) reset() { v.n, v.values = 0, v.values[:0] }

// set keeps a custom property.
func (v *vars) set(name, value []byte) {
	if i := bytes.IndexByte(value, '!'); i >= 0 {
		value = trimSpace(value[:i])
	}
	if len(name) > maxVarName || len(value) > maxVarValue || len(value) == 0 {
		return
	}
	hash := hashFold(name)
	i := 0
	for i < v.n && v.list[i].hash != hash {
		i++
	}
	if i == maxVars || len(v.values) > 4*maxVars*maxVarValue {
		return
	}
	v.n = max(v.n, i+1)
	v.list[i] = struct{ hash, at, n uint32 }{hash, uint32(len(v.values)), uint32(len(value))}
	v.values = append(v.values, value...)
}

// resolve writes custom properties out; nothing where one is not known.
func (v *vars) resolve(value []byte) []byte {
	for i := range 4 {
		at := indexFold(value, "var(")
		if at < 0 {
			return value
		}
		out := v.scratch[i%2][:0]
		for n := 0; at >= 0 && n < 8; n++ {
			out = append(out, value[:at]...)
			inner, rest := cutBracket(value[at+4:])
			name, other, has := bytes.Cut(inner, []byte(","))
			got, ok := v.get(trimSpace(name))
			if !ok {
				if got = trimSpace(other); !has || len(got) == 0 {
					return nil
				}
			}
			out = append(out, got...)
			if value = rest; len(out)+len(value) > maxResolved {
				return nil
			}
			at = indexFold(value, "var(")
		}
		out = append(out, value...)
		v.scratch[i%2], value = out, out
	}
	return nil
}

func (v *vars) get(name []byte) ([]byte, bool) {
	hash := hashFold(name)
	for i := range v.list[:v.n] {
		if x := &v.list[i]; x.hash == hash {
			return v.values[x.at : x.at+x.n], true
		}
	}
	return nil, false
}

// cutBracket splits at the bracket that ends what b is inside of.
func cutBracket(b []byte) (inner, rest []byte) {
	depth := 1
	for i, c := range b {
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return b[:i], b[i+1:]
			}
		}
	}
	return b, nil
}

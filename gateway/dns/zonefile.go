package dns

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Bounds of zone files.
const (
	maxZoneFile   = 1 << 20 // octets
	maxZoneNest   = 200     // brackets open at once; the parser recurses
	maxZoneErrors = 10      // reported at once
)

// LoadZone reads the zone file at path; see ParseZone.
func LoadZone(path string) (Zone, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("zone: %w", err)
	}
	return ParseZone(path, data)
}

// ParseZone reads a zone in YAML: names, and for each a list of entries.
//
//	example.org:
//	  - TXT: "v=spf1 mx -all"       # or a list of strings, which are joined
//	  - A: 192.0.2.1                # AAAA alike
//	    TTL: 30                     # seconds, 60 when left out
//	  - MX: [10, mx.example.org]    # [0, ""] is a null MX
//	  - SOA: [ns.example.org, hostmaster.example.org, 1, 3600, 600, 86400, 300]
//	  - TLSA: [3, 1, 1, "5fa3..."]
//	  - SRV: [0, 1, 465, mx.example.org]
//	  - AAAA: SERVFAIL              # how questions of a type end: TIMEOUT, SERVFAIL, NXDOMAIN, NODATA
//	  - TIMEOUT                     # how questions end that no entry answers
//	  - AUTHENTIC                   # answers about this name have AD
//	www.example.org: [{CNAME: example.org}]   # also PTR, NS; "*.example.org" is a wildcard
//	$authentic: [example.net]       # AD for everything below; true: for all
//
// Every error begins with file:line:column.
func ParseZone(file string, data []byte) (Zone, error) {
	if len(data) > maxZoneFile {
		return nil, fmt.Errorf("%s:1:1: the zone is larger than %d octets", file, maxZoneFile)
	}
	if nesting(data) > maxZoneNest {
		return nil, fmt.Errorf("%s:1:1: brackets are nested too deep", file)
	}
	f, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, syntaxError(file, err)
	}
	p := zoneParser{file: file, zone: Zone{}}
	for i, doc := range f.Docs {
		if doc.Body == nil {
			continue
		}
		if i > 0 {
			p.fail(doc.Body, "a zone is one YAML document")
			break
		}
		p.names(doc.Body)
	}
	if len(p.errs) > 0 {
		return nil, errors.Join(p.errs...)
	}
	return p.zone, nil
}

// nesting returns an upper bound of how deep brackets nest.
func nesting(data []byte) int {
	depth, most := 0, 0
	for _, c := range data {
		switch c {
		case '[', '{':
			depth++
			most = max(most, depth)
		case ']', '}':
			depth = max(0, depth-1)
		}
	}
	return most
}

func syntaxError(file string, err error) error {
	var e yaml.Error
	if errors.As(err, &e) && e.GetToken() != nil {
		return fmt.Errorf("%s: %s", position(file, e.GetToken()), e.GetMessage())
	}
	return fmt.Errorf("%s:1:1: %w", file, err)
}

func position(file string, t *token.Token) string {
	if t == nil || t.Position == nil {
		return file + ":1:1"
	}
	return fmt.Sprintf("%s:%d:%d", file, t.Position.Line, t.Position.Column)
}

type zoneParser struct {
	file string
	zone Zone
	errs []error
}

func (p *zoneParser) fail(n ast.Node, format string, args ...any) {
	if len(p.errs) < maxZoneErrors {
		p.errs = append(p.errs, fmt.Errorf("%s: %s", position(p.file, n.GetToken()), fmt.Sprintf(format, args...)))
	}
}

// names reads the top level.
func (p *zoneParser) names(body ast.Node) {
	pairs, ok := mapping(body)
	if !ok {
		p.fail(body, "a zone maps names to lists of records")
		return
	}
	for _, kv := range pairs {
		key := kv.Key.GetToken().Value
		if key == authenticKey {
			p.authentic(kv.Value)
			continue
		}
		name, ok := Normal(key)
		if !ok {
			p.fail(kv.Key, "%q is no domain name", key)
			continue
		}
		recs := p.zone[name] // names that differ in case only
		for _, n := range items(kv.Value) {
			recs = append(recs, p.entry(n)...)
		}
		p.zone[name] = recs
	}
}

// authentic reads the value of $authentic.
func (p *zoneParser) authentic(n ast.Node) {
	if b, ok := n.(*ast.BoolNode); ok {
		if b.Value {
			p.zone[authenticKey] = []ZoneRecord{{}}
		}
		return
	}
	for _, n := range items(n) {
		name, ok := Normal(text(n))
		if !ok {
			p.fail(n, "%s holds true or domain names", authenticKey)
			continue
		}
		p.zone[authenticKey] = append(p.zone[authenticKey], ZoneRecord{Record: Record{Host: name}})
	}
}

var rcodes = map[string]error{"TIMEOUT": ErrTimeout, "SERVFAIL": ErrServFail, "NXDOMAIN": ErrNXDomain, "NODATA": ErrNoData}

// entry reads one element of a name's list.
func (p *zoneParser) entry(n ast.Node) []ZoneRecord {
	pairs, ok := mapping(n)
	if !ok {
		word := text(n)
		if err := rcodes[word]; err != nil {
			return []ZoneRecord{{Fail: err}}
		}
		if word == "AUTHENTIC" {
			return []ZoneRecord{{Authentic: true}}
		}
		p.fail(n, "an entry is {TYPE: value}, TIMEOUT, SERVFAIL, NXDOMAIN, NODATA or AUTHENTIC")
		return nil
	}
	var recs []ZoneRecord
	var ttl time.Duration
	for _, kv := range pairs {
		key := kv.Key.GetToken().Value
		if key == "TTL" {
			ttl = time.Duration(p.number(kv.Value, 31)) * time.Second
			continue
		}
		t := typeByName(key)
		if t == 0 {
			p.fail(kv.Key, "unknown record type %q", key)
			continue
		}
		recs = append(recs, p.record(t, kv.Value))
	}
	for i := range recs {
		recs[i].TTL = ttl
	}
	return recs
}

// record reads the value of one record.
func (p *zoneParser) record(t Type, n ast.Node) ZoneRecord {
	r := ZoneRecord{Type: t}
	if s, ok := n.(*ast.StringNode); ok && s.Token.Type == token.StringType && rcodes[s.Value] != nil {
		r.Fail = rcodes[s.Value]
		return r
	}
	list := items(n)
	for _, n := range list {
		if _, ok := scalar(n); !ok {
			p.fail(n, "a plain value is wanted here, no list, mapping, anchor, alias or tag")
			return r
		}
	}
	switch t {
	case TypeTXT:
		for _, n := range list {
			r.Text += text(n)
		}
	case TypeA, TypeAAAA:
		ip, err := netip.ParseAddr(text(n))
		if err != nil || ip.Is4() != (t == TypeA) || ip.Zone() != "" {
			p.fail(n, "%q is no address of an %s record", text(n), t)
		}
		r.IP = ip
	case TypeMX:
		if p.fields(n, list, "[preference, host]", 2) {
			r.Preference, r.Host = uint16(p.number(list[0], 16)), p.host(list[1])
		}
	case TypeSRV:
		if p.fields(n, list, "[priority, weight, port, host]", 4) {
			r.Preference, r.Weight, r.Port = uint16(p.number(list[0], 16)), uint16(p.number(list[1], 16)), uint16(p.number(list[2], 16))
			r.Host = p.host(list[3])
		}
	case TypeTLSA:
		if p.fields(n, list, "[usage, selector, matching type, hex]", 4) {
			r.TLSA = p.tlsa(list)
		}
	case TypeSOA:
		if p.fields(n, list, "[server, mailbox, serial, refresh, retry, expire, minimum]", 7) {
			r.Host, r.Minimum = p.host(list[0]), uint32(p.number(list[6], 32))
		}
	default:
		r.Host = p.host(n)
	}
	return r
}

func (p *zoneParser) tlsa(list []ast.Node) *TLSA {
	data, err := hex.DecodeString(text(list[3]))
	if err != nil {
		p.fail(list[3], "%q is not hexadecimal", text(list[3]))
	}
	return &TLSA{
		Usage:    uint8(p.number(list[0], 8)),
		Selector: uint8(p.number(list[1], 8)), MatchingType: uint8(p.number(list[2], 8)), Data: data,
	}
}

func (p *zoneParser) fields(n ast.Node, list []ast.Node, form string, want int) bool {
	if len(list) != want {
		p.fail(n, "the value is %s", form)
	}
	return len(list) == want
}

func (p *zoneParser) number(n ast.Node, bits int) uint64 {
	v, err := strconv.ParseUint(text(n), 10, bits)
	if err != nil {
		p.fail(n, "%q is no number below 2^%d", text(n), bits)
	}
	return v
}

func (p *zoneParser) host(n ast.Node) string {
	s := text(n)
	if s == "" || s == "." {
		return ""
	}
	name, ok := Normal(s)
	if !ok {
		p.fail(n, "%q is no domain name", s)
	}
	return name
}

// mapping returns the pairs of a mapping.
func mapping(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// items returns the elements of a list, or the one value that stands for it.
func items(n ast.Node) []ast.Node {
	switch n := n.(type) {
	case *ast.SequenceNode:
		return n.Values
	case *ast.NullNode, nil:
		return nil
	}
	return []ast.Node{n}
}

// text is scalar for values that were looked at before.
func text(n ast.Node) string {
	s, _ := scalar(n)
	return s
}

// scalar returns a scalar as it is written, so that hexadecimal digits or a
// number as text keep their form.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.LiteralNode:
		return strings.TrimSuffix(n.Value.Value, "\n"), true
	case *ast.StringNode:
		return n.Value, true
	case *ast.MergeKeyNode, *ast.AliasNode, *ast.AnchorNode, *ast.TagNode:
		return "", false
	case ast.ScalarNode:
		return n.GetToken().Value, true
	}
	return "", false
}

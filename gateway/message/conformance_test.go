package message

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gapura-mail/gapura/test/peers"
)

// outline shows the structure: ( ) around the parts of a multipart, < >
// around a message, t for text and b for a file with its octets.
type outline struct {
	strings.Builder
	bodies []*bytes.Buffer
}

func (o *outline) Part(p *PartInfo) io.Writer {
	switch {
	case p.Container && strings.HasPrefix(p.Type, "multipart/"):
		o.WriteString("(")
	case p.Container:
		o.WriteString("<")
	case strings.HasPrefix(p.Type, "text/"):
		o.WriteString("t")
	default:
		o.WriteString("b")
		o.bodies = append(o.bodies, &bytes.Buffer{})
		return o.bodies[len(o.bodies)-1]
	}
	return nil
}

func (o *outline) PartEnd(p *PartInfo) {
	switch {
	case p.Container && strings.HasPrefix(p.Type, "multipart/"):
		o.WriteString(")")
	case p.Container:
		o.WriteString(">")
	}
}

func (o *outline) Defect(Defect) {}

// parsed is what mail-parser writes of a message.
type parsed struct {
	Parts []struct {
		Body map[string]json.RawMessage
	}
}

func (m *parsed) outline(id int, o *outline) {
	for kind, raw := range m.Parts[id].Body {
		switch kind {
		case "Multipart":
			var ids []int
			_ = json.Unmarshal(raw, &ids)
			o.WriteString("(")
			for _, i := range ids {
				m.outline(i, o)
			}
			o.WriteString(")")
		case "Message":
			var inner parsed
			_ = json.Unmarshal(raw, &inner)
			o.WriteString("<")
			inner.outline(0, o)
			o.WriteString(">")
		case "Text", "Html":
			o.WriteString("t")
		default:
			var octets []int
			_ = json.Unmarshal(raw, &octets)
			b := &bytes.Buffer{}
			for _, c := range octets {
				b.WriteByte(byte(c))
			}
			o.WriteString("b")
			o.bodies = append(o.bodies, b)
		}
	}
}

// walkFile walks over a message in the plain reading.
func walkFile(t *testing.T, path string, v Visitor) *Walker {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, body := Split(raw)
	h, err := ParseHeader(head, HeaderLimits{})
	if err != nil {
		t.Fatal(err)
	}
	w := NewWalker(h, WalkLimits{})
	if err := w.Walk(bytes.NewReader(body), v); err != nil {
		t.Fatal(err)
	}
	return w
}

// mailParserCases returns the messages with an expectation: of the shared
// corpus, or the few in testdata.
func mailParserCases(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, dir := range []string{filepath.Join(peers.FindSuite(mimeCorpora), "mail-parser", "*"), filepath.Join("testdata", "mail-parser")} {
		names, _ := filepath.Glob(filepath.Join(dir, "*.eml"))
		all = append(all, names...)
	}
	return all
}

// TestMailParserStructure compares with what mail-parser (Rust) finds.
func TestMailParserStructure(t *testing.T) {
	t.Parallel()
	n, same := 0, 0
	for _, path := range mailParserCases(t) {
		raw, err := os.ReadFile(strings.TrimSuffix(path, ".eml") + ".json")
		if err != nil {
			continue
		}
		var m parsed
		if err := json.Unmarshal(raw, &m); err != nil || len(m.Parts) == 0 {
			continue
		}
		n++
		var got, want outline
		m.outline(0, &want)
		walkFile(t, path, &got)
		name := filepath.Join(filepath.Base(filepath.Dir(path)), filepath.Base(path))
		if diff := differs(&got, &want); diff == "" {
			same++
		} else if why := mailParserDiffers[name]; why == "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	t.Logf("%d messages, %d the same, %d otherwise on purpose", n, same, n-same)
	if n == 0 {
		t.Error("no cases")
	}
}

func differs(got, want *outline) string {
	if got.String() != want.String() {
		return fmt.Sprintf("%s, mail-parser %s", got, want)
	}
	for i := range got.bodies {
		if a, b := got.bodies[i].Bytes(), want.bodies[i].Bytes(); !bytes.Equal(a, b) {
			return fmt.Sprintf("file %d: %d octets, mail-parser %d", i, len(a), len(b))
		}
	}
	return ""
}

// mailParserDiffers says where we mean to read otherwise.
var mailParserDiffers = map[string]string{
	"legacy/016.eml":     "a file without encoding keeps its CRLF",
	"legacy/017.eml":     "x-uuencode is decoded",
	"legacy/048.eml":     "x-uuencode is decoded",
	"legacy/049.eml":     "files uuencoded in text are parts",
	"malformed/000.eml":  "a part of nothing but a header is a part, and empty",
	"malformed/001.eml":  "the outer boundary, being more of the inner one, ends the inner multipart (RFC 2046 section 5.1.2)",
	"malformed/002.eml":  "a multipart whose boundary never comes has no parts; the loose reading shows text",
	"malformed/004.eml":  "a longer line is no boundary, but for the loose reading",
	"malformed/007.eml":  "a line that is no field does not end a header, but for the strict reading",
	"malformed/008.eml":  "the outer boundary ends an unclosed inner multipart (RFC 2046 section 5.1.2)",
	"malformed/009.eml":  "the outer boundary ends an unclosed inner multipart (RFC 2046 section 5.1.2)",
	"malformed/011.eml":  "the outer boundary ends an unclosed inner multipart (RFC 2046 section 5.1.2)",
	"malformed/012.eml":  "the outer boundary ends an unclosed inner multipart (RFC 2046 section 5.1.2)",
	"malformed/016.eml":  "the outer boundary ends an unclosed inner multipart (RFC 2046 section 5.1.2)",
	"malformed/019.eml":  "boundaries are compared with their case (RFC 2046 section 5.1.1)",
	"malformed/020.eml":  "the first of two Content-Type counts, the last one in the last reading",
	"malformed/021.eml":  "the first of two Content-Type counts, the last one in the last reading",
	"malformed/022.eml":  "a forwarded message without a header is a message all the same",
	"rfc/000.eml":        "a file that is no base64 is a file",
	"thirdparty/015.eml": "a forwarded message of nothing but a header ends at the boundary",
}

var (
	refPart  = regexp.MustCompile(`(?s)"Part_([0-9_]+)" => \{(.*?)\n  \}`)
	refField = regexp.MustCompile(`"(Type|Encoding)" => "([^"]*)"`)
)

// TestMIMEToolsStructure compares with the parts that MIME-tools (Perl) finds.
func TestMIMEToolsStructure(t *testing.T) {
	t.Parallel()
	n, parts := 0, 0
	for _, ref := range peers.SuiteFiles(t, "mime-corpora/mime-tools/*.ref") {
		text, err := os.ReadFile(ref)
		if err != nil {
			t.Fatal(err)
		}
		msg := strings.TrimSuffix(ref, ".ref") + ".msg"
		if _, err := os.Stat(msg); err != nil || !bytes.Contains(text, []byte(`"ExtractNested" => 1`)) {
			continue
		}
		n++
		var r recorder
		walkFile(t, msg, &r)
		types := map[string]string{}
		for _, p := range r.parts {
			types[p.Path] = p.Type
		}
		for _, m := range refPart.FindAllStringSubmatch(string(text), -1) {
			path := strings.ReplaceAll(m[1], "_", ".")
			for _, f := range refField.FindAllStringSubmatch(m[2], -1) {
				if f[1] != "Type" {
					continue
				}
				parts++
				if key := filepath.Base(msg) + " " + path; types[path] != f[2] && mimeToolsDiffers[key] == "" {
					t.Errorf("%s: %q, MIME-tools %q\n%s", key, types[path], f[2], r.tree())
				}
			}
		}
	}
	t.Logf("%d messages, %d parts", n, parts)
}

// mimeToolsDiffers says where we mean to read otherwise.
var mimeToolsDiffers = map[string]string{
	"multi-digest.msg 2.1": "text is no media type: text/plain (RFC 2045 section 5.2)",
	"re-fwd.msg 1.1":       "the parts of a message that is a message are counted from its own",
	"uu-zeegee.msg 2":      "files uuencoded in text are 1.uu1, 1.uu2",
	"uu-zeegee.msg 3":      "files uuencoded in text are 1.uu1, 1.uu2",
}

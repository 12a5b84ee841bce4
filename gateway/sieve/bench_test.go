package sieve

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// rules is a script as people have it: 20 rules, of which the last fires.
func rules() string {
	var b strings.Builder
	b.WriteString(`require ["fileinto", "imap4flags", "variables", "regex"];` + "\r\n")
	for i := range 17 {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&b, "if header :contains \"Subject\" [\"offer%d\", \"urgent %d\"] { fileinto \"r%d\"; stop; }\r\n", i, i, i)
		case 1:
			fmt.Fprintf(&b, "if address :is \"From\" [\"a%d@example.com\", \"b@example.com\"] { fileinto \"r%d\"; stop; }\r\n", i, i)
		case 2:
			fmt.Fprintf(&b, "if anyof(header :matches \"List-Id\" \"*<list%d.*>\", address :domain :is [\"to\", \"cc\"] \"d%d.example\") { fileinto \"r%d\"; stop; }\r\n", i, i, i)
		case 3:
			fmt.Fprintf(&b, "if allof(header :is \"X-Spam-Flag\" \"YES\", not size :over %dM) { fileinto \"r%d\"; stop; }\r\n", i, i)
		}
	}
	b.WriteString("if header :regex \"Subject\" \"^\\\\[([a-z]+)\\\\]\" { fileinto \"${1}\"; stop; }\r\n")
	b.WriteString("if header :matches \"X-Multi\" \"*four*\" { addflag \"four\"; }\r\n")
	b.WriteString("if address :localpart \"to\" \"carol\" { fileinto \"carol\"; }\r\n")
	return b.String()
}

func BenchmarkCompile(b *testing.B) {
	src := []byte(rules())
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(src, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	s := mustCompile(b, rules(), Options{})
	env := newEnv(b, sample)
	b.ReportAllocs()
	for b.Loop() {
		res, err := s.Run(context.Background(), env)
		if err != nil || len(res.Actions) != 1 {
			b.Fatal(res, err)
		}
	}
}

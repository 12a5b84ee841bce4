package mailauth

import (
	"fmt"
	"strings"
	"testing"
)

const edRecord = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

func TestKeyCacheGivesTheSameRecord(t *testing.T) {
	var c KeyCache
	a, err := c.Parse(edRecord)
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := c.Parse(strings.Clone(edRecord)); b != a {
		t.Error("read again")
	}
	if n := testing.AllocsPerRun(10, func() { c.Parse(edRecord) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
	if other, err := c.Parse(edRecord + "; t=y"); err != nil || !other.Testing() || other == a {
		t.Errorf("another record: %+v, %v", other, err)
	}
}

func TestKeyCacheRemembersNoMistakes(t *testing.T) {
	var c KeyCache
	for range 2 {
		if _, err := c.Parse("v=DKIM1; k=rsa; p=AAAA"); err == nil {
			t.Error("no error")
		}
	}
	if len(c.records) != 0 {
		t.Error("a record that cannot be used is remembered")
	}
	var none *KeyCache
	if _, err := none.Parse(edRecord); err != nil {
		t.Error(err)
	}
}

func TestKeyCacheIsBounded(t *testing.T) {
	var c KeyCache
	for i := range maxKnownKeys + 100 {
		if _, err := c.Parse(fmt.Sprintf("%s; n=%d", edRecord, i)); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.records) != maxKnownKeys {
		t.Errorf("%d records", len(c.records))
	}
	long := edRecord + "; n=" + strings.Repeat("x", maxKnownKey)
	if _, err := c.Parse(long); err != nil || c.records[long] != nil {
		t.Errorf("long record: %v, remembered %t", err, c.records[long] != nil)
	}
}

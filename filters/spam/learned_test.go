package spam

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gapura-mail/gapura/filters/filtertest"
	"github.com/gapura-mail/gapura/filters/spam/learned"
	"github.com/gapura-mail/gapura/filters/spam/model"
	"github.com/gapura-mail/gapura/filters/spam/rule"
	"github.com/gapura-mail/gapura/filters/spam/urilist"
	"github.com/gapura-mail/gapura/gateway"
	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/dns/dnstest"
	"github.com/gapura-mail/gapura/policy/expr"
)

// taught is what was learned for all, and by a user called taught.
type taught struct {
	all, own *model.Layer
	rep      learned.Reputation
	contact  string
	replies  []string
	seen     []learned.Sighting
	mu       sync.Mutex
	c        learned.Calibration
	worth    map[string]float64
}

func (l *taught) Layers(_ context.Context, user string) (list []*model.Layer) {
	if l.all != nil {
		list = append(list, l.all)
	}
	if user == "taught@example.org" && l.own != nil {
		list = append(list, l.own)
	}
	return list
}

func (l *taught) Reputation(context.Context, learned.Sender) (learned.Reputation, error) {
	return l.rep, nil
}

func (l *taught) Known(_ context.Context, user, address string) (bool, error) {
	return user+" "+address == l.contact, nil
}

func (l *taught) IsReply(_ context.Context, _ string, ids ...string) (bool, error) {
	return slices.Equal(ids, l.replies), nil
}

func (l *taught) Seen(_ context.Context, m learned.Sighting) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = append(l.seen, m)
}

func (l *taught) Worth(_ context.Context, clues []learned.Clue) (list []float64) {
	for _, c := range clues {
		x, ok := l.worth[c.Name]
		if !ok {
			x = 1
		}
		list = append(list, x)
	}
	return list
}

func (l *taught) Calibration() learned.Calibration {
	if l.c == (learned.Calibration{}) {
		return learned.Calibration{Threshold: model.SpamScore, Slope: 1}
	}
	return l.c
}

const answer = "From: Bob <bob@a.test>\r\nIn-Reply-To: <1@example.org>\r\nReferences: <0@example.org> <1@example.org>\r\nSubject: x\r\n\r\nsee http://www.b.test/\r\n"

// TestWhatIsKnownOfTheSender counts where it is proved that it is he.
func TestWhatIsKnownOfTheSender(t *testing.T) {
	t.Parallel()
	judge := func(l *taught, facts ...any) (all, ana float64, reasons string) {
		f := newFilter(t, DefaultOptions(), Deps{Learned: l, Explain: true})
		tx := transaction("ana", "bob")
		tx.Facts = filtertest.Facts(facts...)
		v, err := filtertest.Judge(t.Context(), f, tx, arrive(t, []byte(answer), 0))
		if err != nil {
			t.Fatal(err)
		}
		got := filtertest.Values(t, f, v)
		all, ana = got["spam.score"].(float64), got["spam.score"].(float64)
		if v.Rcpts != nil {
			if v.Rcpts[0] != nil {
				x, _ := gateway.Facts{}.With(v.Rcpts[0]...).Get("spam.score")
				ana = x.(float64)
			}
			if l.contact != "" && v.Rcpts[1] != nil {
				t.Errorf("bob hears of ana's contact: %v", v.Rcpts[1])
			}
		}
		list, _ := got["spam.reasons"].([]string)
		return all, ana, strings.Join(list, "\n")
	}
	proved := []any{"dmarc.result", "pass"}
	plain, _, _ := judge(&taught{}, proved...)
	if all, ana, _ := judge(&taught{contact: "ana@example.org bob@a.test"}, proved...); all != plain || ana >= plain {
		t.Errorf("a contact: %g, ana %g, plain %g", all, ana, plain)
	}
	if all, ana, _ := judge(&taught{contact: "ana@example.org bob@a.test"}); all != plain || ana != plain {
		t.Errorf("who claims to be a contact: %g, ana %g, plain %g", all, ana, plain)
	}
	l := &taught{replies: []string{"<1@example.org>", "<0@example.org>", "<1@example.org>"}}
	if _, ana, _ := judge(l, proved...); ana >= plain || len(l.seen) != 1 || l.seen[0].Truth != model.Ham || !l.seen[0].Sender.Aligned ||
		l.seen[0].Sender.Address != "bob@a.test" || !slices.Equal(l.seen[0].Sender.Links, []string{"b.test"}) {
		t.Errorf("an answer: ana %g, plain %g, %+v", ana, plain, l.seen)
	}
	bad := learned.Counts{N: 90, Bad: 50}
	one, _, why := judge(&taught{rep: learned.Reputation{Address: bad}}, proved...)
	more, _, _ := judge(&taught{rep: learned.Reputation{Address: bad, Domain: bad, Network: bad, Links: bad}}, proved...)
	if _, _, why := judge(&taught{rep: learned.Reputation{Domain: learned.Counts{Bad: 5}}}, proved...); !strings.Contains(why, "its domain is known by lessons alone, of which most were spam") {
		t.Error("taught before any came:", why)
	}
	if one <= plain || more < one || more-plain > model.Empty().Points(2.5)+1e-9 || !strings.Contains(why, "bob@a.test has sent 90 messages before, of which most were spam") {
		t.Errorf("plain %g, bad %g, very bad %g: %s", plain, one, more, why)
	}
}

// TestCalibration: the threshold and the probability are those that the mail
// here has shown to be right.
func TestCalibration(t *testing.T) {
	t.Parallel()
	judge := func(l Learned) map[string]any {
		f := newFilter(t, DefaultOptions(), Deps{Learned: l})
		v, err := filtertest.Judge(t.Context(), f, transaction("u"), arrive(t, []byte(answer), 0))
		if err != nil {
			t.Fatal(err)
		}
		return filtertest.Values(t, f, v)
	}
	plain, got := judge(&taught{}), judge(&taught{c: learned.Calibration{Threshold: 7, Slope: 1, Offset: 2}})
	if plain["spam.threshold"] != 5.0 || got["spam.threshold"] != 7.0 || got["spam.score"] != plain["spam.score"] ||
		got["spam.probability"].(float64) <= plain["spam.probability"].(float64) {
		t.Errorf("%v, before %v", got, plain)
	}
}

// TestLists are asked about senders and links, and what they say counts.
func TestLists(t *testing.T) {
	t.Parallel()
	four := 4.0
	opt := DefaultOptions()
	opt.Lists = []urilist.List{{Zone: "dbl.test", Score: &four}}
	asked := func(names string) map[string]any {
		f := newFilter(t, opt, Deps{Resolver: dnstest.Parse(t, names), Explain: true})
		v, err := filtertest.Judge(t.Context(), f, transaction("u"), arrive(t, []byte(strings.ReplaceAll(answer, ".test", "-sells.com")), 7))
		if err != nil {
			t.Fatal(err)
		}
		return filtertest.Values(t, f, v)
	}
	plain := asked("{}")
	for _, name := range []string{"a-sells.com", "b-sells.com"} {
		got := asked("{" + name + ".dbl.test: [{A: 127.0.0.2}]}")
		if d := got["spam.score"].(float64) - plain["spam.score"].(float64); d < 3.9 || d > 4.1 || !reflect.DeepEqual(got["spam.lists"], []string{"dbl.test"}) ||
			!strings.Contains(strings.Join(got["spam.reasons"].([]string), "\n"), "+4.00 "+name+" is listed by dbl.test") {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestListsThatFailAreTold: one that answers a public resolver with a refusal
// lists nothing ever, and nobody would know.
func TestListsThatFailAreTold(t *testing.T) {
	t.Parallel()
	opt := DefaultOptions()
	for _, zone := range []string{"dbl.test", "late.test", "good.test", "wild.test"} {
		opt.Lists = append(opt.Lists, urilist.List{Zone: zone})
	}
	reg := prometheus.NewRegistry()
	f := newFilter(t, opt, Deps{Metrics: NewMetrics(reg), Resolver: dnstest.Parse(t, `{
		b-sells.com.dbl.test: [{A: 127.255.255.254}], b-sells.com.late.test: [TIMEOUT], b-sells.com.wild.test: [{A: 198.51.100.1}]}`)})
	v, err := filtertest.Judge(t.Context(), f, transaction("u"), arrive(t, []byte(strings.ReplaceAll(answer, ".test", "-sells.com")), 7))
	if err != nil {
		t.Fatal(err)
	}
	got := filtertest.Values(t, f, v)
	want := []string{"dbl.test: the list answered 127.255.255.254, which is no listing", "late.test: " + dns.ErrTimeout.Error(), "wild.test: the list answered 198.51.100.1, which is no listing"}
	if !reflect.DeepEqual(got["spam.list_errors"], want) || got["spam.lists"] != nil {
		t.Errorf("%q, want %q", got["spam.list_errors"], want)
	}
	all, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.GetName() == "gapura_spam_list_errors_total" && m.GetMetric()[0].GetCounter().GetValue() == 3 {
			return
		}
	}
	t.Error("the metric does not count them")
}

// TestFilesAndOwnNamesInLists: what is attached is asked about by its hash, and
// no list is told of names and addresses of ours.
func TestFilesAndOwnNamesInLists(t *testing.T) {
	t.Parallel()
	opt := DefaultOptions()
	opt.Lists = []urilist.List{{Zone: "files.test", Kind: "file", Hash: "md5"}, {Zone: "hbl.test", Kind: "file"}, {Zone: "dbl.test", Kind: "host"}, {Zone: "ebl.test", Kind: "address"}}
	file := strings.Repeat("a file that is known to be bad\r\n", 3000)
	raw := "From: a@our-firm.com\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\n\r\nsee http://wiki.our-firm.com/ and http://shop.their-firm.com/\r\n" +
		"--b\r\nContent-Type: application/zip\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=a.zip\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte(file)) + "\r\n--b--\r\n"
	ebl := func(a string) string { return fmt.Sprintf("%x.ebl.test", sha1.Sum([]byte(a))) }
	sum := sha256.Sum256([]byte(file))
	names := "{" + fmt.Sprintf("%x.files.test", md5.Sum([]byte(file))) + ": [{A: 127.0.0.2}], " +
		strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])) + ".hbl.test: [{A: 127.0.0.2}], " +
		"shop.their-firm.com.dbl.test: [{A: 127.0.1.2}], wiki.our-firm.com.dbl.test: [{A: 127.0.1.2}], our-firm.com.dbl.test: [{A: 127.0.1.2}], " + ebl("a@our-firm.com") + ": [{A: 127.0.0.2}]}"
	for own, want := range map[string][]string{"our-firm.com": {"files.test", "hbl.test", "dbl.test"}, "other.com": {"files.test", "hbl.test", "dbl.test", "ebl.test"}} {
		f := newFilter(t, opt, Deps{Resolver: dnstest.Parse(t, names), Own: []string{own}, Explain: true})
		v, err := filtertest.Judge(t.Context(), f, transaction("u"), arrive(t, []byte(raw), 700))
		if err != nil {
			t.Fatal(err)
		}
		got := filtertest.Values(t, f, v)
		if !reflect.DeepEqual(got["spam.lists"], want) || strings.Contains(fmt.Sprint(got["spam.reasons"]), own) {
			t.Errorf("own %s: %v %v", own, got["spam.lists"], got["spam.reasons"])
		}
	}
}

// TestAddressesInTheTextAreAsked: lists of mail addresses know those to which lures want
// answers, which stand in the text where the sender's is made up for each. None of ours
// is told.
func TestAddressesInTheTextAreAsked(t *testing.T) {
	t.Parallel()
	opt := DefaultOptions()
	opt.Lists = []urilist.List{{Zone: "ebl.test", Kind: "address"}}
	const raw = "From: a@x-sells.com\r\nSubject: x\r\n\r\nWrite to b@our-firm.com, or to the heir: <The.Heir+7@drop-box.com>.\r\n"
	for address, want := range map[string]any{"the.heir@drop-box.com": []string{"ebl.test"}, "b@our-firm.com": nil} {
		r := dnstest.Parse(t, fmt.Sprintf("{%x.ebl.test: [{A: 127.0.0.2}]}", sha1.Sum([]byte(address))))
		f := newFilter(t, opt, Deps{Resolver: r, Own: []string{"our-firm.com"}, Explain: true})
		v, err := filtertest.Judge(t.Context(), f, transaction("u"), arrive(t, []byte(raw), 7))
		if err != nil {
			t.Fatal(err)
		}
		if got := filtertest.Values(t, f, v); !reflect.DeepEqual(got["spam.lists"], want) {
			t.Errorf("%s: %v", address, got["spam.lists"])
		}
	}
}

const rules = `rules:
  - name: is-x
    group: test
    when: links.count > 0
    describe: The subject is x
    weight: 1.5
    hits: |

      see http://www.example.com/
    misses: |

      x
`

// TestRules: the readable signals of a message are named, and count a little.
func TestRules(t *testing.T) {
	t.Parallel()
	set, err := rule.Parse([]expr.Source{{Name: "x.yaml", Data: []byte(rules)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	judge := func(set *rule.Set) map[string]any {
		f := newFilter(t, DefaultOptions(), Deps{Rules: set, Explain: true})
		v, err := filtertest.Judge(t.Context(), f, transaction("u"), arrive(t, []byte(answer), 0))
		if err != nil {
			t.Fatal(err)
		}
		return filtertest.Values(t, f, v)
	}
	plain, got := judge(nil), judge(set)
	d := got["spam.score"].(float64) - plain["spam.score"].(float64)
	if d <= 0 || d > 2*model.SpamScore/3.0 || !reflect.DeepEqual(got["spam.rules"], []string{"is-x"}) ||
		!strings.Contains(strings.Join(got["spam.reasons"].([]string), "\n"), "The subject is x (rule is-x)") {
		t.Errorf("%v", got)
	}
}

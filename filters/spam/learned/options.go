package learned

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Options say how much is learned from whom, and what is kept.
type Options struct {
	// Share is how much of a user's lesson the layers of others take.
	Share Share `yaml:"share"`
	// Agree is how many users must have taught messages alike before one of
	// them changes the layers of domain and installation; 1 is one. With 2
	// nothing that a single user has taught ever reaches another's scores.
	Agree int `yaml:"agree"`
	// Rate is how many lessons a user may teach in a day; those beyond are
	// refused.
	Rate int `yaml:"rate"`
	// Budget is the sum of weights with which one user may move the layer of
	// the installation, and four times that the one of his domain; what he used
	// comes back by half each week.
	Budget float64 `yaml:"budget"`
	// Keep is for how long a lesson can be undone; what it has taught stays.
	Keep time.Duration `yaml:"keep"`
	// Lessons is how many lessons are kept at most, the oldest are dropped;
	// each takes about 10 KiB.
	Lessons int `yaml:"lessons"`
	// UserLessons is how many of them may be of one user.
	UserLessons int `yaml:"user_lessons"`
	// Memory is how many octets the layers of domains and users may take, about;
	// the least used ones are read again when they are asked for.
	Memory int64 `yaml:"memory"`
	// HamLost is the share of ham that the threshold may lose, in percent.
	HamLost float64 `yaml:"ham_lost"`
	// Recalibrate moves the threshold after the mail that is known to be ham.
	Recalibrate bool `yaml:"recalibrate"`
	// Senders is how many senders, domains, networks and link domains are
	// remembered.
	Senders int `yaml:"senders"`
	// Forget is after how long without mail a sender is forgotten.
	Forget time.Duration `yaml:"forget"`
	// Contacts is how many contacts of each user are remembered.
	Contacts int `yaml:"contacts"`
}

// Share bounds what users teach others: the log-odds by which all they have
// taught together moves, at most, each view of a message for somebody else. 0:
// they teach others nothing. Administrators are not bound.
type Share struct {
	// Domain is for users of the same domain.
	Domain float64 `yaml:"domain"`
	// Installation is for all others.
	Installation float64 `yaml:"installation"`
}

const (
	maxShare = 4
	// shareWeight is the weight of a lesson for a share of one. It stays below
	// that from which on a model counts tokens, which no share would bound.
	shareWeight    = 0.2
	maxShareWeight = 0.45
)

// DefaultOptions are good for most.
func DefaultOptions() Options {
	return Options{
		Share: Share{Domain: 0.75, Installation: 0.25}, Agree: 1, Rate: 200, Budget: 8,
		Keep: 60 * 24 * time.Hour, Lessons: 20_000, UserLessons: 1000, Memory: 256 << 20,
		HamLost: 0.05, Recalibrate: true,
		Senders: 1_000_000, Forget: 180 * 24 * time.Hour, Contacts: 5000,
	}
}

// Check tells what is wrong with the options, a line for each mistake.
func (o Options) Check() error {
	within := func(name string, ok bool, low, high string) error {
		if ok {
			return nil
		}
		return fmt.Errorf("learn: %s is not within %s and %s", name, low, high)
	}
	between := func(name string, v, low, high float64) error {
		plain := func(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }
		return within(name, v >= low && v <= high, plain(low), plain(high))
	}
	lasts := func(name string, v time.Duration, low, high string) error {
		least, _ := time.ParseDuration(low)
		most, _ := time.ParseDuration(high)
		return within(name, v >= least && v <= most, low, high)
	}
	return errors.Join(
		between("share.domain", o.Share.Domain, 0, maxShare),
		between("share.installation", o.Share.Installation, 0, maxShare),
		between("agree", float64(o.Agree), 1, 100),
		between("rate", float64(o.Rate), 0, 1e5),
		between("budget", o.Budget, 0, 1e4),
		lasts("keep", o.Keep, "1h", "87840h"),
		between("lessons", float64(o.Lessons), 1, 1e7),
		between("user_lessons", float64(o.UserLessons), 1, 1e7),
		within("memory", o.Memory >= 1<<20 && o.Memory <= 1<<40, "1MiB", "1TiB"),
		between("ham_lost", o.HamLost, 0.001, 10),
		between("senders", float64(o.Senders), 100, 1e8),
		lasts("forget", o.Forget, "24h", "87840h"),
		between("contacts", float64(o.Contacts), 1, 1e6),
	)
}

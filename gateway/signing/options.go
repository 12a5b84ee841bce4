package signing

import (
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/message"
)

// maxFiles bounds the keys of files.
const maxFiles = 10_000

// Options say what is signed beside the keys of the database.
type Options struct {
	// Keys of files, beside those that gapura dkim keeps.
	Keys []KeyFile `yaml:"keys"`
	// Whether mail from a subdomain is signed with its parent's keys where it
	// has none of its own.
	Subdomains bool `yaml:"subdomains"`
	// Header fields that are signed beside those that always are, once more
	// than they are there, so that none can be added.
	Headers []string `yaml:"headers"`
	// How long signatures are good for (x=); 0: for ever.
	Expire time.Duration `yaml:"expire"`

	// Log hears what goes wrong; nil: nobody.
	Log *slog.Logger `yaml:"-"`
	// Fault is called for each signature that was found wrong before it left, and
	// made anew; by many at once; nil: nobody hears of it.
	Fault func(domain, selector string) `yaml:"-"`
}

// DefaultOptions returns the default of every option.
func DefaultOptions() Options { return Options{Subdomains: true} }

// KeyFile is a key in a file.
type KeyFile struct {
	// Domain that signs.
	Domain string `yaml:"domain"`
	// Selector of the key.
	Selector string `yaml:"selector"`
	// File of the private key: PEM, RSA or Ed25519.
	Key string `yaml:"key"`
	// User whose mail it signs, in place of the domain's other keys. Default:
	// every user's.
	User string `yaml:"user"`
}

// Validate tells what is wrong with the options, files aside.
func (o *Options) Validate() error {
	for _, name := range o.Headers {
		if !message.ValidFieldName(name) || strings.Contains(name, ";") {
			return fmt.Errorf("signing: %q is no header field", name)
		}
	}
	for i, f := range o.Keys {
		if _, err := domainName(f.Domain); err != nil {
			return fmt.Errorf("signing: keys[%d]: %w", i, err)
		}
		if !validSelector(f.Selector) {
			return fmt.Errorf("signing: selector %q of %s is not letters, digits and hyphens", f.Selector, f.Domain)
		}
		if _, err := userName(f.User); err != nil {
			return fmt.Errorf("signing: keys[%d]: %w", i, err)
		}
		if f.Key == "" {
			return fmt.Errorf("signing: keys[%d]: %s has no key", i, f.Domain)
		}
	}
	if o.Expire < 0 {
		return fmt.Errorf("signing: expire: %s is in the past", o.Expire)
	}
	return nil
}

// CheckFiles tells what is wrong with the files that the options name.
func (o *Options) CheckFiles() []error {
	_, err := o.load()
	return []error{err}
}

// load reads the keys of files.
func (o *Options) load() ([]Key, error) {
	if len(o.Keys) > maxFiles {
		return nil, fmt.Errorf("signing: %d keys are more than %d", len(o.Keys), maxFiles)
	}
	list := make([]Key, 0, len(o.Keys))
	for i, f := range o.Keys {
		failed := func(err error) error { return fmt.Errorf("signing: keys[%d]: %w", i, err) }
		data, err := os.ReadFile(f.Key)
		if err != nil {
			return nil, failed(err)
		}
		private, err := mailauth.ParsePrivateKey(data)
		if err != nil {
			return nil, failed(fmt.Errorf("%s: %w", f.Key, err))
		}
		k := Key{Selector: f.Selector, State: Active, File: f.Key, private: private}
		if k.Domain, err = domainName(f.Domain); err == nil {
			k.User, err = userName(f.User)
		}
		if err == nil {
			err = k.check()
		}
		if err != nil {
			return nil, failed(fmt.Errorf("%s: %w", f.Key, err))
		}
		same := func(o Key) bool { return o.Domain == k.Domain && o.Selector == k.Selector }
		if slices.ContainsFunc(list, same) {
			return nil, failed(fmt.Errorf("%s: selector %s of %s is given twice", f.Key, k.Selector, k.Domain))
		}
		list = append(list, k)
	}
	return list, nil
}

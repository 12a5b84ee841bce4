package mailbox

import (
	"cmp"
	"fmt"
	"time"
)

// Options of the mailboxes.
type Options struct {
	// What one user's mail may take.
	User Limits `yaml:"user"`
	// What the mail of all users of a domain may take together.
	Domain Limits `yaml:"domain"`
	// Limits of single users and domains, by name. What is not written is as
	// for the others; below 0: no limit.
	Only map[string]Limits `yaml:"only"`
	// How long messages stay in a folder, by its role (junk, trash, sent,
	// drafts, archive) or its name; counted from when they came into it.
	Keep map[string]time.Duration `yaml:"keep"`
	// The largest message that a mailbox takes, in octets. Default: what SMTP
	// takes (limits.message), or imap.message where that is more, and
	// limits.header for the fields that are added on the way.
	MaxSize int64 `yaml:"max_size"`
	// Folders that a user may have.
	Folders int `yaml:"folders"`
	// How long expunged messages are remembered for mail programs that
	// synchronise by what has changed (QRESYNC).
	Remember time.Duration `yaml:"remember"`
}

// Limits of what is stored; 0: none.
type Limits struct {
	// Octets of messages; each counts in every folder that it is in.
	Octets int64 `yaml:"octets"`
	// Messages.
	Messages int64 `yaml:"messages"`
}

// Bounds that are no options.
const (
	// MaxName is the longest name of a folder, in octets; a level of it has
	// MaxLevel at most, and there are MaxDepth levels at most.
	MaxName  = 1000
	MaxLevel = 255
	MaxDepth = 20
	// MaxKeywords is how many keywords a folder knows, each of MaxKeyword
	// octets at most.
	MaxKeywords = 59
	MaxKeyword  = 100
	// MaxScripts is how many Sieve scripts a user may have, each of MaxScript
	// octets at most, with a name of MaxScriptName at most.
	MaxScripts    = 50
	MaxScript     = 512 << 10
	MaxScriptName = 512
	// MaxAnnotations is how many annotations (RFC 5464) a user may have, each
	// of MaxAnnotation octets at most.
	MaxAnnotations = 1000
	MaxAnnotation  = 64 << 10
	// maxFolders bounds Options.Folders.
	maxFolders = 100_000
)

// DefaultOptions returns the default of every option.
func DefaultOptions() Options {
	return Options{MaxSize: 100 << 20, Folders: 2000, Remember: 30 * 24 * time.Hour}
}

func (o Options) withDefaults() Options {
	d := DefaultOptions()
	o.MaxSize = cmp.Or(o.MaxSize, d.MaxSize)
	o.Folders = cmp.Or(o.Folders, d.Folders)
	o.Remember = cmp.Or(o.Remember, d.Remember)
	return o
}

// Check tells what is wrong with the options.
func (o Options) Check() error {
	switch {
	case o.MaxSize < 0:
		return fmt.Errorf("max_size: %d is below 0", o.MaxSize)
	case o.Folders < 0 || o.Folders > maxFolders:
		return fmt.Errorf("folders: %d is not between 1 and %d", o.Folders, maxFolders)
	case o.Remember < 0:
		return fmt.Errorf("remember: %s is below 0", o.Remember)
	}
	for name, keep := range o.Keep {
		if keep < time.Hour {
			return fmt.Errorf("keep: %s: %s is below an hour", name, keep)
		}
		if roleNamed(name) == RoleNone {
			if _, err := CleanName(name); err != nil {
				return fmt.Errorf("keep: %q is neither a role nor the name of a folder", name)
			}
		}
	}
	return nil
}

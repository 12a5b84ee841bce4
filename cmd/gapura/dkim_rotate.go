package main

import (
	"cmp"
	"fmt"
	"io"
	"time"

	"github.com/gapura-mail/gapura/gateway/signing"
)

type dkimRotate struct {
	dnsFlags
	timeFlag
	Domain    string `arg:"" help:"The domain whose keys are replaced."`
	User      string `placeholder:"ADDRESS" help:"The keys of this user."`
	Algorithm string `default:"same" enum:"same,both,rsa,ed25519" help:"Of the new keys; same as the old ones'."`
	Selector  string `help:"Of the new keys."`
	Force     bool   `help:"Do not wait for DNS nor for the old keys' time to pass: some receivers will not find keys."`
	New       bool   `name:"new" help:"Begin again though the old keys' records of the last time are still published."`
}

// Help is printed below the flags.
func (*dkimRotate) Help() string {
	return `Each call does what comes next, and tells when to call again:
  1. new keys are made, and their records printed for you to publish;
  2. once DNS has them, and has had them for as long as resolvers may remember that
     it had not, the new keys sign; the old ones' records must stay;
  3. a week later, when no mail is on its way any more that the old keys signed, their
     records are printed anew, without a key: they are revoked;
  4. a month later they are forgotten, and the records may go.
Exit code 1: the step cannot be done yet.

Examples:
  gapura dkim rotate example.org
  gapura dkim rotate example.org --resolver 127.0.0.1:53 --json`
}

// dkimRotated is the command's JSON.
type dkimRotated struct {
	Domain   string       `json:"domain"`
	User     string       `json:"user,omitempty"`
	Step     signing.Step `json:"step"`
	Publish  []keyRow     `json:"publish"`
	Keep     []keyRow     `json:"keep"`
	Delete   []keyRow     `json:"delete"`
	Next     *time.Time   `json:"next,omitempty"` // when to call again, or not before
	Problems []string     `json:"problems,omitempty"`
}

// Run runs `gapura dkim rotate`.
func (c *dkimRotate) Run(a *app) error {
	r, err := c.open()
	if err != nil {
		return err
	}
	return a.withKeys(func(k *signing.Keys) error {
		rot, err := k.Rotate(a.ctx, r, c.Domain, c.User, signing.RotateOptions{
			Selector: c.Selector, Algorithms: algorithms(c.Algorithm), Force: c.Force, Anew: c.New, Now: c.now(),
		})
		if err != nil {
			return err
		}
		out := dkimRotated{
			Domain: c.Domain, User: c.User, Step: rot.Step, Problems: rot.Problems,
			Publish: newKeyRows(rot.Publish), Keep: newKeyRows(rot.Keep), Delete: newKeyRows(rot.Delete),
		}
		if !rot.Next.IsZero() {
			t := rot.Next.UTC()
			out.Next = &t
		}
		return a.answer(out, rot.Step != signing.Waiting && rot.Step != signing.Idle, out.text)
	})
}

// rotateCommand is what takes the next step with a domain's or a user's keys.
func rotateCommand(domain, user string) string {
	if user != "" {
		return "gapura dkim rotate " + domain + " --user " + user
	}
	return "gapura dkim rotate " + domain
}

func (r dkimRotated) text(w io.Writer) {
	next := ""
	if r.Next != nil {
		next = r.Next.Format(time.RFC3339)
	}
	whose, again := cmp.Or(r.User, r.Domain), rotateCommand(r.Domain, r.User)
	switch r.Step {
	case signing.Generated:
		fmt.Fprintf(w, "; New keys of %s are made and do not sign yet. Publish this, then run %s again:\n", whose, again)
	case signing.Waiting:
		for _, p := range r.Problems {
			fmt.Fprintf(w, "; %s\n", p)
		}
		if len(r.Problems) > 0 {
			fmt.Fprintf(w, "; The old keys go on signing. Publish this, then run %s again:\n", again)
		} else {
			fmt.Fprintf(w, "; DNS has the new keys. It is safe to switch from %s on: run %s again then.\n", next, again)
		}
	case signing.Activated:
		fmt.Fprintf(w, "; The new keys of %s sign. Leave the old records where they are", whose)
		if next != "" {
			fmt.Fprintf(w, " until %s, then run %s again", next, again)
		}
		fmt.Fprintln(w, ".")
	case signing.Idle:
		fmt.Fprintf(w, "; Nothing to do: the old records of %s must stay until %s. --new begins another rotation.\n", whose, next)
	case signing.Withdrawn:
		fmt.Fprintf(w, "; The old keys of %s are revoked. Publish this in place of their records until %s:\n", whose, next)
	case signing.Removed:
		fmt.Fprintf(w, "; The old keys of %s are forgotten. These records may go:\n", whose)
		for _, k := range r.Delete {
			fmt.Fprintf(w, "; %s TXT\n", k.Name)
		}
	}
	if r.Step != signing.Waiting || len(r.Problems) > 0 {
		printRecords(w, r.Publish)
	}
}

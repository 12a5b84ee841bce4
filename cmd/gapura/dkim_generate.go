package main

import (
	"cmp"
	"fmt"
	"io"

	"github.com/gapura-mail/gapura/gateway/signing"
)

type dkimGenerate struct {
	timeFlag
	Domain    string `arg:"" help:"The domain that signs."`
	Algorithm string `default:"both" enum:"both,rsa,ed25519" help:"Of the keys: rsa, which all receivers know, ed25519, or both: mail is then signed twice."`
	Selector  string `help:"Name of the key's record below _domainkey; of two keys the ed25519 one's has -ed behind it. Default: made of the day."`
	User      string `placeholder:"ADDRESS" help:"Sign this user's mail only, in place of the domain's other keys."`
	Wait      bool   `help:"Do not sign before dkim rotate has found the records in DNS."`
}

// Help is printed below the flags.
func (*dkimGenerate) Help() string {
	return `The first keys of a domain sign at once: mail signed with a key that is not
published yet is no worse off than mail without a signature. Where others sign
already, the new ones wait for gapura dkim rotate. The records to publish are
printed as lines of a zone file. Private keys are kept in the database, which only
its owner can read, not encrypted.

Examples:
  gapura dkim generate example.org
  gapura dkim generate example.org --algorithm rsa --selector mail --user news@example.org`
}

// dkimGenerated is the command's JSON.
type dkimGenerated struct {
	Domain  string   `json:"domain"`
	Signing bool     `json:"signing"` // the keys sign already
	Publish []keyRow `json:"publish"`
}

// Run runs `gapura dkim generate`.
func (c *dkimGenerate) Run(a *app) error {
	return a.withKeys(func(k *signing.Keys) error {
		req := signing.Request{Domain: c.Domain, User: c.User, Selector: c.Selector, Wait: c.Wait, Now: c.now(), Algorithms: algorithms(c.Algorithm)}
		list, err := k.Generate(a.ctx, req)
		if err != nil {
			return err
		}
		out := dkimGenerated{Domain: list[0].Domain, Signing: list[0].State == signing.Active, Publish: newKeyRows(list)}
		return a.print(out, func(w io.Writer) {
			if out.Signing {
				fmt.Fprintf(w, "; Mail of %s is signed from now on. Publish:\n", cmp.Or(list[0].User, out.Domain))
			} else {
				fmt.Fprintf(w, "; The new keys do not sign yet. Publish this, then run %s:\n", rotateCommand(out.Domain, list[0].User))
			}
			printRecords(w, out.Publish)
		})
	})
}

// algorithms reads --algorithm; nil: both, or those that there are.
func algorithms(word string) []signing.Algorithm {
	switch word {
	case "rsa", "ed25519":
		return []signing.Algorithm{signing.Algorithm(word)}
	case "both":
		return []signing.Algorithm{signing.RSA, signing.Ed25519}
	}
	return nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/filters/arc"
	"github.com/gapura-mail/gapura/gateway/account"
	"github.com/gapura-mail/gapura/gateway/cert"
	"github.com/gapura-mail/gapura/gateway/lda"
	"github.com/gapura-mail/gapura/gateway/smtp"
	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/policy"
)

// localWarnings tell of domains whose mail is kept here for nobody. A directory
// may have users whom nobody here knows of.
func localWarnings(ctx context.Context, cfg *config.Config, x *account.Accounts) (list []config.Error, err error) {
	warn := func(d config.Domain, format string, args ...any) {
		var es config.Errors
		if errors.As(cfg.Errorf(d.Position(), format, args...), &es) {
			list = append(list, es...)
		}
	}
	for _, d := range cfg.Local() {
		first, err := firstOf(ctx, x, d.Name)
		if err != nil {
			return list, err
		}
		if first == "" && cfg.Accounts.LDAP == nil && cfg.Accounts.OAuth == nil {
			warn(d, "%s: the domain has no users: all mail to it is refused (gapura user add ana@%s)", d.Name, strings.TrimPrefix(d.Name, "*."))
		}
		reached, err := postmasterReached(ctx, cfg, x, d)
		if err != nil {
			return list, err
		}
		if !reached {
			warn(d, "%s: nobody gets mail to postmaster, whom every domain must have: add a user, or name one (mailboxes: {postmaster: ana@example.org})", d.Name)
		}
	}
	return list, nil
}

func firstOf(ctx context.Context, x *account.Accounts, domain string) (string, error) {
	name, err := smtp.ASCIIDomain(strings.TrimPrefix(domain, "*."))
	if err != nil {
		return "", nil // told elsewhere
	}
	if strings.HasPrefix(domain, "*.") {
		return x.First(ctx, "%."+name)
	}
	return x.First(ctx, name)
}

// postmasterReached tells whether somebody gets mail to postmaster, by the
// delivery's own rules.
func postmasterReached(ctx context.Context, cfg *config.Config, x *account.Accounts, d config.Domain) (bool, error) {
	local := map[string]bool{}
	for _, o := range cfg.Local() {
		local[strings.ToLower(o.Name)] = true
	}
	l, err := lda.New(cfg.Mailboxes.Delivery, lda.Deps{
		Accounts: newLocalAccounts(x), Separator: cfg.Accounts.Separator, Postmasters: map[string]string{strings.TrimPrefix(d.Name, "*."): d.Postmaster},
		Route: func(to smtp.Address) (string, bool) { return to.Domain, local[strings.ToLower(to.Domain)] },
	})
	if err != nil {
		return true, nil // told elsewhere
	}
	return l.Reached(ctx, smtp.Address{Local: "postmaster", Domain: strings.TrimPrefix(d.Name, "*.")})
}

// policyWarnings tell of a policy that has nothing of the built-in one, in whose
// place it stands. Who began with a copy of that knows it, and has left out what
// is missing.
func policyWarnings(cfg *config.Config, p *policy.Policy) (list []config.Error) {
	if len(cfg.Policy) == 0 {
		return nil
	}
	own := map[string]bool{}
	for _, name := range p.Rules() {
		own[name] = true
	}
	built := policy.DefaultRules()
	if slices.ContainsFunc(built, func(name string) bool { return own[name] }) {
		return nil
	}
	var es config.Errors
	errors.As(cfg.Mistake("policy", "to have them as well: gapura policy default > default.yaml, and list that file here, after your own",
		"policy: your own is in force alone: the %d rules of the built-in policy (on viruses, forged mail, spam and more) are not asked", len(built)), &es)
	return es
}

// certWarnings tell of a certificate in files that clients who check it refuse.
func certWarnings(cfg *config.Config, now time.Time) []config.Error {
	if cfg.TLS.Mode != cert.ModeFiles {
		return nil
	}
	var list config.Errors
	warn := func(hint, format string, args ...any) {
		var es config.Errors
		if errors.As(cfg.Mistake("tls.certificate", hint, format, args...), &es) {
			list = append(list, es...)
		}
	}
	certs, err := openCerts(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil // told elsewhere
	}
	c, err := certs.GetCertificate(helloOf(cfg.Hostname))
	if err != nil {
		return nil
	}
	if now.After(c.Leaf.NotAfter) {
		warn("others cannot be sure to talk to this gateway", "the certificate has expired on %s", c.Leaf.NotAfter.UTC().Format(time.DateOnly))
	}
	if err := c.Leaf.VerifyHostname(cfg.Hostname); err != nil {
		warn("", "no certificate is for the host name %s: %v", cfg.Hostname, err)
	}
	return list
}

// keyWarnings tell of files of private keys that everybody on the machine can
// read.
func keyWarnings(cfg *config.Config) (list []config.Error) {
	warn := func(file string, err error) {
		var es config.Errors
		if info, e := os.Stat(file); e == nil && info.Mode().Perm()&0o004 != 0 && errors.As(err, &es) {
			list = append(list, es...)
		}
	}
	const readable, hint = "%s: everybody on this machine can read the private key", "chmod 600"
	if cfg.TLS.Mode == cert.ModeFiles {
		warn(cfg.TLS.Key, cfg.Mistake("tls.key", hint, readable, cfg.TLS.Key))
		for i, p := range cfg.TLS.Certificates {
			warn(p.Key, cfg.Mistake(fmt.Sprintf("tls.certificates[%d].key", i), hint, readable, p.Key))
		}
	}
	for _, f := range cfg.Filters {
		if opt, ok := f.Options.(*arc.Options); ok && opt.Seal != nil {
			key := cfg.Path(opt.Seal.Key)
			warn(key, cfg.Errorf(f.Position(), readable+" (%s)", key, hint))
		}
	}
	for i, k := range cfg.Signing.Keys {
		warn(k.Key, cfg.Mistake(fmt.Sprintf("signing.keys[%d].key", i), hint, readable, k.Key))
	}
	return list
}

// checkLocal adds localWarnings where there is a database yet; what keeps it
// from being read is no mistake of the configuration.
func (a *app) checkLocal(cfg *config.Config) (list []config.Error) {
	if len(cfg.Local()) == 0 || checkOwner(cfg.Data) != nil {
		return nil
	}
	if _, err := os.Stat(filepath.Join(cfg.Data, "gapura.db")); err != nil && cfg.Storage.Database == "sqlite" {
		return nil // and none is made
	}
	a.withDatabaseOf(cfg, asCommand, func(db *sqldb.DB) error {
		x, err := account.Open(a.ctx, cfg.Accounts, account.Deps{DB: db})
		if err != nil {
			return err
		}
		defer x.Close()
		list, err = localWarnings(a.ctx, cfg, x)
		return err
	})
	return list
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/gateway/dns"
	"github.com/gapura-mail/gapura/gateway/mailauth"
	"github.com/gapura-mail/gapura/gateway/outbound/dane"
	"github.com/gapura-mail/gapura/gateway/outbound/mtasts"
	"github.com/gapura-mail/gapura/gateway/outbound/tlsrpt"
	"github.com/gapura-mail/gapura/gateway/signing"
)

// verdictOn is a check of one record.
type verdictOn func(ctx context.Context, r dns.Resolver, rec *dnsRecord)

func sayMissing(why string) verdictOn {
	return func(_ context.Context, _ dns.Resolver, rec *dnsRecord) { rec.say(verdictMissing, "%s", why) }
}

// answered sets the verdict for look-ups that found nothing; false: it is set.
func (r *dnsRecord) answered(err error) bool {
	switch {
	case err == nil:
		return true
	case dns.IsNotFound(err):
		r.say(verdictMissing, "DNS has none")
	default:
		r.say(verdictUnknown, "%v", err)
	}
	return false
}

func checkMX(host string, all []string) verdictOn {
	return func(ctx context.Context, r dns.Resolver, rec *dnsRecord) {
		list, _, err := dns.LookupMX(ctx, r, rec.Name)
		if !rec.answered(err) {
			return
		}
		here, others := false, []string(nil)
		for _, mx := range list {
			rec.Found = append(rec.Found, fmt.Sprintf("%d %s.", mx.Preference, mx.Host))
			here = here || mx.Host == host
			if !slices.Contains(all, mx.Host) {
				others = append(others, mx.Host)
			}
		}
		switch {
		case !here:
			rec.say(verdictDiffers, "%s is not among them", host)
		case len(others) > 0:
			rec.say(verdictWarning, "mail also goes to %s", strings.Join(others, ", "))
		default:
			rec.say(verdictOK, "")
		}
	}
}

// checkAddresses wants a name to have one of the addresses, nil: any.
func checkAddresses(want []netip.Addr) verdictOn {
	return func(ctx context.Context, r dns.Resolver, rec *dnsRecord) {
		ips, _, err := dns.LookupIP(ctx, r, rec.Name)
		if !rec.answered(err) {
			return
		}
		for _, ip := range ips {
			rec.Found = append(rec.Found, ip.String())
		}
		if rec.Value != "" && !slices.Contains(rec.Found, rec.Value) {
			rec.say(verdictDiffers, "this address is not among them")
			return
		}
		rec.say(verdictOK, "")
		if _, err := r.Lookup(ctx, rec.Name, dns.TypeCNAME); err == nil && rec.Purpose == "address" {
			rec.say(verdictWarning, "it is an alias, to which no MX record may lead (RFC 2181 section 10.3)")
		}
	}
}

func checkPTR(ip netip.Addr, want string) verdictOn {
	return func(ctx context.Context, r dns.Resolver, rec *dnsRecord) {
		names, _, err := dns.LookupPTR(ctx, r, ip)
		if !rec.answered(err) {
			return
		}
		for _, n := range names {
			rec.Found = append(rec.Found, n+".")
		}
		switch back, _, err := dns.LookupIP(ctx, r, want); {
		case !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, want) }):
			rec.say(verdictDiffers, "the name is not that in EHLO")
		case err != nil && !dns.IsNotFound(err):
			rec.answered(err)
		case !slices.Contains(back, ip.Unmap()):
			rec.say(verdictDiffers, "the name does not lead back to the address")
		case len(names) > 1:
			rec.say(verdictWarning, "there are %d names, one is enough", len(names))
		default:
			rec.say(verdictOK, "")
		}
	}
}

// text looks up the TXT record that begins with a version; one alone counts.
func (r *dnsRecord) text(ctx context.Context, res dns.Resolver, version string) (string, bool) {
	all, _, err := dns.LookupTXT(ctx, res, r.Name)
	if !r.answered(err) {
		return "", false
	}
	var list []string
	for _, t := range all {
		if rest, ok := cutPrefixFold(t, version); ok && (rest == "" || strings.ContainsAny(rest[:1], " \t;")) {
			list, r.Found = append(list, t), append(r.Found, zoneText(t))
		}
	}
	switch len(list) {
	case 0:
		r.say(verdictMissing, "DNS has no TXT record that begins with %s", version)
		return "", false
	case 1:
		return list[0], true
	}
	r.say(verdictTooMany, "there are %d, and then none counts", len(list))
	return "", false
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// checkSPFRecord asks whether the published record lets the gateway send.
func checkSPFRecord(domain, hello string, ips []netip.Addr) verdictOn {
	return func(ctx context.Context, r dns.Resolver, rec *dnsRecord) {
		text, ok := rec.text(ctx, r, "v=spf1")
		if !ok {
			return
		}
		if len(ips) == 0 {
			rec.say(verdictWarning, "whether it lets the gateway send cannot be told without its address (--address)")
			return
		}
		for _, ip := range ips {
			res := mailauth.CheckSPF(ctx, r, mailauth.SPFInput{IP: ip, Helo: hello, MailFrom: "postmaster@" + domain, Now: time.Now()}, mailauth.SPFOptions{})
			switch res.Result {
			case mailauth.Pass:
			case mailauth.TempError:
				rec.say(verdictUnknown, "%s", res.Reason)
				return
			default:
				rec.say(verdictDiffers, "%s gets %s%s", ip, res.Result, because(res.Reason))
				return
			}
		}
		rec.say(verdictOK, "")
		if fields := strings.Fields(strings.ToLower(text)); slices.Contains(fields, "+all") || slices.Contains(fields, "all") {
			rec.say(verdictWarning, "it lets everybody send")
		}
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func checkDKIMKey(k signing.Key) verdictOn {
	return func(ctx context.Context, r dns.Resolver, rec *dnsRecord) {
		texts, _, _ := dns.LookupTXT(ctx, r, rec.Name)
		for _, t := range texts {
			rec.Found = append(rec.Found, zoneText(t))
		}
		err := signing.CheckRecord(ctx, r, &k)
		switch {
		case err == nil && onTrial(texts):
			rec.say(verdictWarning, "it says t=y: others may take what it signs as unsigned")
		case err == nil:
			rec.say(verdictOK, "")
		case !errors.Is(err, signing.ErrRecord):
			rec.say(verdictUnknown, "%v", err)
		case len(texts) == 0:
			rec.say(verdictMissing, "DNS has none")
		case len(texts) > 1:
			rec.say(verdictTooMany, "there are %d, and receivers take any of them", len(texts))
		default:
			rec.say(verdictDiffers, "%v", err)
		}
	}
}

// onTrial tells whether a key's record says that DKIM is being tested (RFC 6376
// section 3.6.1).
func onTrial(texts []string) bool {
	return slices.ContainsFunc(texts, func(t string) bool {
		k, err := mailauth.ParseKeyRecord(t)
		return err == nil && k.Testing()
	})
}

func checkDMARCRecord(domain string) verdictOn {
	return func(ctx context.Context, r dns.Resolver, rec *dnsRecord) {
		text, ok := rec.text(ctx, r, "v=DMARC1")
		if !ok && rec.Verdict == verdictMissing {
			inherited(ctx, r, rec, domain)
		}
		if !ok {
			return
		}
		d, ok := mailauth.ParseDMARCRecord(text)
		switch {
		case !ok || d.Broken:
			rec.say(verdictDiffers, "it is malformed")
		case d.Testing || d.Policy == mailauth.DMARCNone:
			rec.say(verdictWarning, "it asks others to do nothing yet")
		default:
			rec.say(verdictOK, "")
		}
	}
}

// inherited looks for the record of a domain above.
func inherited(ctx context.Context, r dns.Resolver, rec *dnsRecord, domain string) {
	res := mailauth.EvaluateDMARC(ctx, r, mailauth.DMARCInput{HeaderFrom: []string{"postmaster@" + domain}})
	if res.PolicyDomain != "" && res.PolicyDomain != domain {
		rec.say(verdictOK, "the record of %s counts", res.PolicyDomain)
	}
}

func checkSTSRecord(want mtasts.Record, configured bool) verdictOn {
	return func(ctx context.Context, r dns.Resolver, rec *dnsRecord) {
		text, ok := rec.text(ctx, r, "v=STSv1")
		if !ok {
			return
		}
		got, err := mtasts.ParseRecord(text)
		switch {
		case err != nil:
			rec.say(verdictDiffers, "%v", err)
		case !configured:
			rec.say(verdictWarning, "there is one, but no policy is configured here")
		case got.ID != want.ID:
			rec.say(verdictWarning, "another id is published: others may not see that the policy has changed")
		default:
			rec.say(verdictOK, "")
		}
	}
}

// checkSTSPolicy fetches the policy as others do.
func checkSTSPolicy(opt mtasts.Options, domain string, want *mtasts.Policy, configured bool, hosts []string) verdictOn {
	return func(ctx context.Context, r dns.Resolver, rec *dnsRecord) {
		if _, err := mtasts.LookupRecord(ctx, r, domain); err != nil && !configured {
			rec.say(verdictMissing, "there is no policy")
			return
		}
		ctx, cancel := context.WithTimeout(ctx, fetchTime)
		defer cancel()
		got, err := mtasts.Fetch(ctx, opt, r, domain)
		if err != nil {
			rec.say(verdictMissing, "%v", err)
			return
		}
		rec.Found = got.Lines
		i := slices.IndexFunc(hosts, func(h string) bool { return !got.Match(h) })
		switch {
		case i >= 0 && got.Mode != mtasts.Off:
			rec.say(verdictDiffers, "it does not name %s, which then gets no mail", hosts[i])
		case configured && got.String() != want.String():
			rec.say(verdictDiffers, "it is not the one that is configured")
		default:
			rec.say(verdictOK, "")
		}
	}
}

func checkTLSRPTRecord(ctx context.Context, r dns.Resolver, rec *dnsRecord) {
	text, ok := rec.text(ctx, r, "v=TLSRPTv1")
	if !ok {
		return
	}
	switch got, err := tlsrpt.ParseRecord(text); {
	case err != nil:
		rec.say(verdictDiffers, "%v", err)
	case !slices.ContainsFunc(got.RUA, reachable):
		rec.say(verdictDiffers, "reports go to mailto: and https: alone, and it has neither")
	default:
		rec.say(verdictOK, "")
	}
}

// reachable tells whether others send reports to a URI (RFC 8460 section 3).
func reachable(uri string) bool {
	scheme, _, _ := strings.Cut(strings.ToLower(uri), ":")
	return scheme == "mailto" || scheme == "https"
}

// checkTLSA asks whether servers that go by the published records would find
// the certificate in use to be right.
func checkTLSA(chain [][]byte, host string) verdictOn {
	return func(ctx context.Context, r dns.Resolver, rec *dnsRecord) {
		list, ad, err := dns.LookupTLSA(ctx, r, rec.Name)
		if err != nil && !dns.IsNotFound(err) {
			rec.Mandatory = true // RFC 7672 section 2.1.2
			rec.say(verdictUnknown, "%v; as long as DNS fails, servers that do DANE put mail off", err)
			return
		}
		if !rec.answered(err) {
			return
		}
		for _, t := range list {
			rec.Found = append(rec.Found, dane.Text(t))
		}
		_, err = dane.Check{Records: list, Names: []string{strings.ToLower(host)}, Now: time.Now()}.Verify(chain)
		var bad *dane.Error
		switch {
		case errors.As(err, &bad) && bad.TLSResult() == string(tlsrpt.TLSAInvalid):
			rec.say(verdictWarning, "others can use none of them: they insist on TLS, and on no certificate")
		case err != nil:
			rec.Mandatory = true // it does harm
			rec.say(verdictDiffers, "the certificate in use is not theirs, so that mail does not arrive: %v", err)
		case !ad:
			rec.say(verdictWarning, "DNSSEC does not vouch for it, as far as the resolver says: others ignore it")
		default:
			rec.say(verdictOK, "")
		}
	}
}

func checkSRV(host string, port uint16) verdictOn {
	return func(ctx context.Context, r dns.Resolver, rec *dnsRecord) {
		a, err := r.Lookup(ctx, rec.Name, dns.TypeSRV)
		if !rec.answered(err) {
			return
		}
		ok := false
		for _, s := range a.Records {
			rec.Found = append(rec.Found, fmt.Sprintf("%d %d %d %s.", s.Preference, s.Weight, s.Port, s.Host))
			ok = ok || s.Port == port && strings.EqualFold(s.Host, host)
		}
		if !ok {
			rec.say(verdictDiffers, "none leads here")
			return
		}
		rec.say(verdictOK, "")
	}
}

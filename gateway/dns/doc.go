// Package dns asks the Domain Name System: a Resolver whose answers say
// whether DNSSEC proved them, with cache, retries and TCP fallback behind it.
// It is the only package that imports github.com/miekg/dns.
package dns

package main

import (
	"cmp"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/autoconf"
	"github.com/gapura-mail/gapura/gateway/smtp"
)

// publish adds what mail programs and other servers look for, which everybody
// may see.
func (s *server) publish(mux *http.ServeMux) {
	mux.HandleFunc("GET /.well-known/mta-sts.txt", s.stsPolicy)
	mux.HandleFunc("GET /mail/config-v1.1.xml", s.thunderbird)
	mux.HandleFunc("GET /.well-known/autoconfig/mail/config-v1.1.xml", s.thunderbird)
	for _, p := range []string{"/autodiscover/autodiscover.xml", "/Autodiscover/Autodiscover.xml", "/AutoDiscover/AutoDiscover.xml"} {
		mux.HandleFunc("POST "+p, s.outlook)
	}
	mux.HandleFunc("GET /autodiscover/autodiscover.json", s.outlookJSON)
	mux.HandleFunc("GET /autodiscover/autodiscover.json/v1.0/{address}", s.outlookJSON)
	mux.HandleFunc("GET /mail.mobileconfig", s.apple)
}

// publicHandler answers everybody.
func (s *server) publicHandler() http.Handler {
	mux := http.NewServeMux()
	s.publish(mux)
	return mux
}

// protocols of listeners that mail programs use.
var programs = map[string]autoconf.Server{
	"imaps": {Protocol: autoconf.IMAP, TLS: true}, "imap": {Protocol: autoconf.IMAP},
	"pop3s": {Protocol: autoconf.POP3, TLS: true}, "pop3": {Protocol: autoconf.POP3},
	"submissions": {Protocol: autoconf.SMTP, TLS: true}, "submission": {Protocol: autoconf.SMTP},
}

// settingsOf are what programs need for mailboxes of a domain; ok is false
// where none are kept here.
func settingsOf(cfg *config.Config, domain string, local func(domain string) bool) (autoconf.Settings, bool) {
	name, err := smtp.ASCIIDomain(domain)
	if err != nil || name == "" || !local(name) {
		return autoconf.Settings{}, false
	}
	set := autoconf.Settings{Domain: name}
	for _, l := range cfg.Listeners {
		x, ok := programs[l.Protocol]
		_, port, err := net.SplitHostPort(l.Address)
		n, perr := strconv.ParseUint(port, 10, 16)
		if !ok || err != nil || perr != nil || n == 0 {
			continue
		}
		x.Host, x.Port = cfg.Hostname, uint16(n)
		set.Servers = append(set.Servers, x)
	}
	return set, len(set.Servers) > 0
}

// settings are those of an address, or of a domain.
func (s *server) settings(address string) (autoconf.Settings, bool) {
	gen := s.gen.Load()
	if gen == nil {
		return autoconf.Settings{}, false
	}
	domain := address[strings.LastIndexByte(address, '@')+1:]
	return settingsOf(gen.cfg, domain, func(name string) bool {
		key, ok := gen.routes.For(smtp.ForwardPath{Address: smtp.Address{Local: "x", Domain: name}})
		return ok && gen.local[key]
	})
}

// hostDomain is the domain that a request's host name was asked for.
func hostDomain(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(host)
	for _, prefix := range []string{"autoconfig.", "autodiscover."} {
		if rest, ok := strings.CutPrefix(host, prefix); ok {
			return rest
		}
	}
	return host
}

// cacheTime is how long programs and proxies may keep what is published.
const cacheTime = "max-age=3600"

func reply(w http.ResponseWriter, kind string, body []byte) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", cacheTime)
	w.Write(body)
}

// thunderbird answers for the address that is asked about, or for the host.
func (s *server) thunderbird(w http.ResponseWriter, r *http.Request) {
	set, ok := s.settings(cmp.Or(r.URL.Query().Get("emailaddress"), hostDomain(r.Host)))
	if !ok {
		http.Error(w, "no mailboxes of this domain are here", http.StatusNotFound)
		return
	}
	reply(w, "application/xml; charset=utf-8", autoconf.Thunderbird(set))
}

// outlook answers Autodiscover.
func (s *server) outlook(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, autoconf.MaxRequest))
	if err != nil {
		http.Error(w, "the request is too long", http.StatusRequestEntityTooLarge)
		return
	}
	address, err := autoconf.ParseOutlook(body)
	if err != nil {
		reply(w, "application/xml; charset=utf-8", autoconf.OutlookError("The request is not understood"))
		return
	}
	set, ok := s.settings(address)
	if !ok || !isAddress(address) {
		reply(w, "application/xml; charset=utf-8", autoconf.OutlookError("No mailboxes of this domain are here"))
		return
	}
	reply(w, "application/xml; charset=utf-8", autoconf.Outlook(set, address))
}

// outlookJSON leads to the first version of Autodiscover.
func (s *server) outlookJSON(w http.ResponseWriter, r *http.Request) {
	if p := r.URL.Query().Get("Protocol"); p != "" && !strings.EqualFold(p, "AutodiscoverV1") {
		http.Error(w, "only AutodiscoverV1 is spoken here", http.StatusNotFound)
		return
	}
	address := cmp.Or(r.PathValue("address"), r.URL.Query().Get("Email"))
	set, ok := s.settings(cmp.Or(address, hostDomain(r.Host)))
	if !ok {
		http.Error(w, "no mailboxes of this domain are here", http.StatusNotFound)
		return
	}
	reply(w, "application/json", autoconf.OutlookJSON("https://autodiscover."+set.Domain+"/autodiscover/autodiscover.xml"))
}

// apple answers with a profile for ?email=ADDRESS.
func (s *server) apple(w http.ResponseWriter, r *http.Request) {
	address := r.URL.Query().Get("email")
	if !isAddress(address) {
		http.Error(w, "ask for /mail.mobileconfig?email=ADDRESS", http.StatusBadRequest)
		return
	}
	set, ok := s.settings(address)
	profile := []byte(nil)
	if ok {
		profile = autoconf.Apple(set, address, "")
	}
	if profile == nil {
		http.Error(w, "no mailboxes of this domain are here", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Disposition", `attachment; filename="mail.mobileconfig"`)
	reply(w, "application/x-apple-aspen-config", profile)
}

func isAddress(s string) bool {
	_, err := smtp.ParseMailbox(s, smtp.UTF8)
	return err == nil && !slices.Contains([]byte(s), '\n')
}

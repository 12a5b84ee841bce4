package account

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// bearer is OAUTHBEARER (RFC 7628).
func (x *exchange) bearer(ctx context.Context) (Identity, error) {
	b, err := x.response(ctx)
	if err != nil {
		return Identity{}, err
	}
	user, token, err := parseBearer(b)
	if err != nil {
		return Identity{}, err
	}
	return x.token(ctx, user, token)
}

// xoauth2 is XOAUTH2, which Google and Microsoft had before.
func (x *exchange) xoauth2(ctx context.Context) (Identity, error) {
	b, err := x.response(ctx)
	if err != nil {
		return Identity{}, err
	}
	user, token, err := parseXOAuth2(b)
	if err != nil {
		return Identity{}, err
	}
	return x.token(ctx, user, token)
}

// parseBearer takes gs2-header kvsep *kvpair kvsep apart (RFC 7628 section
// 3.1). The user may be left out.
func parseBearer(b []byte) (user, token string, err error) {
	h, rest, err := parseGS2(string(b))
	if err != nil {
		return "", "", err
	}
	if h.flag == 'p' {
		return "", "", malformed("OAUTHBEARER: no channel binding is possible")
	}
	rest, ok := strings.CutPrefix(rest, "\x01")
	if !ok {
		return "", "", malformed("OAUTHBEARER: no separator after the header")
	}
	_, token, err = parsePairs(rest)
	return h.authz, token, err
}

// parseXOAuth2 takes user=NAME ^A auth=Bearer TOKEN ^A ^A apart.
func parseXOAuth2(b []byte) (user, token string, err error) {
	user, token, err = parsePairs(string(b))
	if err == nil && user == "" {
		err = malformed("XOAUTH2: no user")
	}
	return user, token, err
}

// parsePairs finds user and auth in key=value pairs, each with ^A after it,
// and one ^A more at the end.
func parsePairs(s string) (user, token string, err error) {
	s, ok := strings.CutSuffix(s, "\x01\x01")
	if !ok {
		return "", "", malformed("OAuth: no end")
	}
	seen, asked := 0, false
	for pair := range strings.SplitSeq(s, "\x01") {
		k, v, ok := strings.Cut(pair, "=")
		if seen++; !ok || seen > maxExtension {
			return "", "", malformed("OAuth: a pair without =, or too many")
		}
		switch strings.ToLower(k) {
		case "user":
			user = v
		case "auth":
			if asked {
				return "", "", malformed("OAuth: two tokens")
			}
			if asked = true; v == "" { // who asks what token is wanted (RFC 7628 section 4.3)
				continue
			}
			if token, err = bearerToken(v); err != nil {
				return "", "", err
			}
		}
	}
	if !asked || strings.ContainsAny(user, "\x00") {
		return "", "", malformed("OAuth: no token")
	}
	return user, token, nil
}

// bearerToken takes "Bearer b64token" apart (RFC 6750 section 2.1).
func bearerToken(s string) (string, error) {
	scheme, token, ok := strings.Cut(s, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return "", malformed("OAuth: not a bearer token")
	}
	token = strings.Trim(token, " ")
	for i := range len(token) {
		if c := token[i]; !isAlnum(c) && !strings.ContainsRune("-._~+/=", rune(c)) {
			return "", malformed("OAuth: a character that tokens cannot have")
		}
	}
	if token == "" {
		return "", malformed("OAuth: an empty token")
	}
	return token, nil
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// refusal is the challenge after a token that is not taken (RFC 7628 section
// 3.2.2).
func (o *oauth) refusal() []byte {
	b, _ := json.Marshal(struct {
		Status string `json:"status"`
		Scope  string `json:"scope,omitempty"`
	}{"invalid_token", o.opt.Scope})
	return b
}

// token finds out whose a token is; "" is nobody's.
func (x *exchange) token(ctx context.Context, user, token string) (Identity, error) {
	x.claimed, x.asks = user, token == ""
	if err := x.wait(ctx); err != nil {
		return Identity{}, err
	}
	name, err := x.set.oauth.user(ctx, token)
	var id Identity
	if err == nil {
		id, err = x.vouched(ctx, name, user)
	}
	if errors.Is(err, ErrCredentials) {
		x.mark = x.a.markOf(user, token)
		// The client answers with ^A or gives up; either ends it.
		b, askErr := x.ask(x.set.oauth.refusal())
		if ctx.Err() != nil {
			return Identity{}, ctx.Err()
		}
		if askErr == nil && len(bytes.Trim(b, "\x01")) > 0 {
			return Identity{}, fmt.Errorf("%w, and the client went on", err)
		}
	}
	return id, err
}

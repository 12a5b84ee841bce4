package account

import (
	"bytes"
	"context"
)

// plain is PLAIN (RFC 4616).
func (x *exchange) plain(ctx context.Context) (Identity, error) {
	b, err := x.response(ctx)
	if err != nil {
		return Identity{}, err
	}
	authz, authc, password, err := parsePlain(b)
	if err != nil {
		return Identity{}, err
	}
	return x.password(ctx, authz, authc, password)
}

// parsePlain takes [authzid] NUL authcid NUL passwd apart.
func parsePlain(b []byte) (authz, authc, password string, err error) {
	f := bytes.Split(b, []byte{0})
	if len(f) != 3 || len(f[1]) == 0 || len(f[2]) == 0 {
		return "", "", "", malformed("PLAIN: not two NULs with a name and a password")
	}
	return string(f[0]), string(f[1]), string(f[2]), nil
}

// login is LOGIN, which never was more than a draft; many clients have nothing
// else. An initial response is the name.
func (x *exchange) login(ctx context.Context) (Identity, error) {
	name := x.initial
	var err error
	if len(name) == 0 {
		name, err = x.challenge(ctx, []byte("Username:"))
	} else {
		err = checkResponse(name)
	}
	if err != nil {
		return Identity{}, err
	}
	password, err := x.challenge(ctx, []byte("Password:"))
	if err != nil {
		return Identity{}, err
	}
	if len(name) == 0 || len(password) == 0 || bytes.IndexByte(name, 0) >= 0 || bytes.IndexByte(password, 0) >= 0 {
		return Identity{}, malformed("LOGIN: no name or no password")
	}
	return x.password(ctx, "", string(name), string(password))
}

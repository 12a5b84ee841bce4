package outbound

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gapura-mail/gapura/gateway/sqldb"
	"github.com/gapura-mail/gapura/gateway/sqldb/sqldbtest"
)

// TestRefreshTokensOutliveRestarts: an endpoint that takes each refresh token
// once gives the next one with every answer.
func TestRefreshTokensOutliveRestarts(t *testing.T) {
	t.Parallel()
	sqldbtest.Each(t, func(t *testing.T, dir, url string) {
		valid, n := "configured", 0
		endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = r.ParseForm()
			if r.Form.Get("refresh_token") != valid {
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprint(w, `{"error": "invalid_grant"}`)
				return
			}
			n++
			valid = fmt.Sprint("rotated", n)
			fmt.Fprintf(w, `{"access_token": "a%d", "refresh_token": %q, "expires_in": 3600}`, n, valid)
		}))
		defer endpoint.Close()
		open := func() *sqldb.DB {
			db, err := sqldb.Open(t.Context(), sqldb.Options{Dir: dir, URL: url})
			if err != nil {
				t.Fatal(err)
			}
			return db
		}
		registered := func(db *sqldb.DB, refresh string) *tokens {
			state, err := NewState(t.Context(), db, nil, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(state.Close)
			tok, err := newTokens(OAuth{Endpoint: endpoint.URL, ClientID: "x", RefreshToken: refresh})
			if err != nil {
				t.Fatal(err)
			}
			tok.use(nil)
			tok.kept = state.kept
			return tok
		}
		want := func(tok *tokens, want string) {
			t.Helper()
			if got, err := tok.get(t.Context()); got != want || err != nil {
				t.Errorf("%q, %v; want %q", got, err, want)
			}
		}
		db := open()
		before := registered(db, "configured")
		want(before, "a1")
		reloaded := registered(db, "configured") // a reload, the old transport still works
		want(reloaded, "a2")
		before.refused("a1")
		want(before, "a3")
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = open()
		defer db.Close()
		want(registered(db, "configured"), "a4")
		valid = "new"
		want(registered(db, "new"), "a5") // an administrator's new one counts at once
	})
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/quarantine"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

type checkStore struct {
	Repair bool `help:"Mend what can be mended."`
}

// Help is printed below the flags.
func (*checkStore) Help() string {
	return `Compares every row of the mailboxes with every other and with the octets of its
message, which are read and compared with their checksums; so are those of all
that waits in the queue or is in quarantine. The gateway may run meanwhile. With
--repair counters are corrected and rows without octets are removed; run it a
second time to see that nothing is left. What is damaged in the queue stays:
gapura queue remove and gapura quarantine remove drop it. Exit code 1 where
something is wrong and stays so.

Examples:
  gapura check store
  gapura check store --repair --json`
}

// storeReport is what check store prints.
type storeReport struct {
	Messages int64          `json:"messages"`
	Queued   int64          `json:"queued"` // entries of queue and quarantine
	Problems []storeProblem `json:"problems"`
}

type storeProblem struct {
	ID       string `json:"id,omitempty"` // in the queue
	State    string `json:"state,omitempty"`
	To       string `json:"to,omitempty"`
	User     string `json:"user,omitempty"`
	Folder   string `json:"folder,omitempty"`
	UID      uint32 `json:"uid,omitempty"`
	Object   string `json:"object,omitempty"`
	Problem  string `json:"problem"`
	Repaired bool   `json:"repaired"`
}

// storeNews is one line of what the running gateway tells of a check.
type storeNews struct {
	Problem *storeProblem `json:"problem,omitempty"`
	Done    int64         `json:"done,omitempty"`
	Of      int64         `json:"of,omitempty"`
	Queued  int64         `json:"queued,omitempty"`
	Error   string        `json:"error,omitempty"`
	End     bool          `json:"end,omitempty"`
}

// maxProblems bounds what is listed.
const maxProblems = 10_000

// Run implements the command.
func (c *checkStore) Run(a *app) error {
	cfg, err := config.LoadWithoutSecrets(a.config)
	if err != nil {
		return err
	}
	if err := checkOwner(cfg.Data); err != nil {
		return err
	}
	out := storeReport{Problems: []storeProblem{}}
	b, left := a.newBar("check", -1), 0
	err = c.check(a, cfg, func(n storeNews) {
		if n.Of > 0 {
			out.Messages = n.Of
			b.set(n.Done, n.Of)
		}
		out.Queued = max(out.Queued, n.Queued)
		if n.Problem == nil {
			return
		}
		if !n.Problem.Repaired {
			left++
		}
		if len(out.Problems) < maxProblems {
			out.Problems = append(out.Problems, *n.Problem)
		}
	})
	b.end()
	if err != nil {
		return err
	}
	if err := a.print(out, out.text); err != nil {
		return err
	}
	if left > 0 {
		return errNo
	}
	return nil
}

func (r storeReport) text(w io.Writer) {
	for _, p := range r.Problems {
		if p.ID != "" {
			fmt.Fprintf(w, "%s %s to %s: %s\n", p.State, p.ID, p.To, p.Problem)
			continue
		}
		mended := ""
		if p.Repaired {
			mended = " (mended)"
		}
		fmt.Fprintf(w, "%s %s", p.User, p.Folder)
		if p.UID > 0 {
			fmt.Fprintf(w, " UID %d", p.UID)
		}
		fmt.Fprintf(w, " %s: %s%s\n", p.Object, p.Problem, mended)
	}
	queued := ""
	if r.Queued > 0 {
		queued = fmt.Sprintf("%d entries of queue and quarantine, ", r.Queued)
	}
	fmt.Fprintf(w, "%d messages, %s%d problems\n", r.Messages, queued, len(r.Problems))
}

// check has the running gateway do it, or does it where none runs.
func (c *checkStore) check(a *app, cfg *config.Config, tell func(storeNews)) error {
	ctx := a.ctx
	resp, err := callControl(ctx, cfg, "/mail/check", c)
	if err == nil {
		defer resp.Body.Close()
		return readNews(resp.Body, tell)
	}
	if !errors.Is(err, errNoGateway) {
		return err
	}
	store, closeStore, err := openMailStore(ctx, cfg)
	if err != nil {
		return err
	}
	if err := errors.Join(checkMail(ctx, store, c.Repair, tell), closeStore()); err != nil {
		return err
	}
	return a.withoutGateway(cfg, func(db *sqldb.DB, blobs blob.Store) error { return checkQueue(ctx, db, blobs, tell) })
}

// checkQueue checks what waits, and what is in quarantine.
func checkQueue(ctx context.Context, db *sqldb.DB, blobs blob.Store, tell func(storeNews)) error {
	return queue.Check(ctx, db, blobs, func(it *queue.Item, err error) {
		for _, r := range it.Recipients {
			tell(storeNews{Problem: &storeProblem{ID: it.ID, State: string(it.State), To: quarantine.Plain(r.To), Problem: err.Error()}})
		}
	}, func(n int64) { tell(storeNews{Queued: n}) })
}

// readNews reads what the gateway tells.
func readNews(r io.Reader, tell func(storeNews)) error {
	for d := json.NewDecoder(r); ; {
		var n storeNews
		if err := d.Decode(&n); err != nil {
			return fmt.Errorf("the gateway went away: %w", err)
		}
		switch {
		case n.Error != "":
			return errors.New(n.Error)
		case n.End:
			return nil
		}
		tell(n)
	}
}

// checkMail runs the check.
func checkMail(ctx context.Context, store *mailbox.Store, repair bool, tell func(storeNews)) error {
	return store.Check(ctx, repair, func(p mailbox.Problem) {
		out := storeProblem{User: p.User, Folder: p.Folder, UID: p.UID, Problem: p.What, Repaired: p.Repaired}
		if p.Object != 0 {
			out.Object = p.Object.String()
		}
		tell(storeNews{Problem: &out})
	}, func(n, of int64) { tell(storeNews{Done: n, Of: of}) })
}

// checkMail is the running gateway's end of check store.
func (s *server) checkMail(w http.ResponseWriter, r *http.Request) {
	var ask checkStore
	if err := json.NewDecoder(io.LimitReader(r.Body, 4096)).Decode(&ask); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	e, flush := json.NewEncoder(w), http.NewResponseController(w)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	tell := func(n storeNews) {
		if e.Encode(n) != nil || flush.Flush() != nil {
			cancel() // nobody listens any more
		}
	}
	err := checkMail(ctx, s.mail.Store, ask.Repair, tell)
	if err == nil {
		err = checkQueue(ctx, s.db, s.stores.blobs, tell)
	}
	end := storeNews{End: true}
	if err != nil {
		end.Error = err.Error()
	}
	e.Encode(end)
}

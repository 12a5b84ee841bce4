package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// queueCmd is `gapura queue`; each command is a file of its own.
type queueCmd struct {
	List    queueList    `cmd:"" help:"List messages that wait, or count them by destination."`
	Show    queueShow    `cmd:"" help:"Show a message: envelope, attempts, last replies, next attempt."`
	Retry   queueRetry   `cmd:"" help:"Try messages now."`
	Hold    queueHold    `cmd:"" help:"Keep messages until they are released."`
	Release queueRelease `cmd:"" help:"Let held messages go."`
	Remove  queueRemove  `cmd:"" help:"Take messages out of the queue; nobody is told."`
}

// queueKeys choose messages; all that are given must fit.
type queueKeys struct {
	IDs    []key  `arg:"" optional:"" name:"id" help:"Ids of messages."`
	To     key    `placeholder:"ADDRESS" help:"With this recipient."`
	From   key    `placeholder:"ADDRESS" help:"With this envelope sender; <> for notifications."`
	Domain key    `placeholder:"NAME" help:"To recipients of this domain."`
	Route  key    `placeholder:"NAME" help:"On this route: a configured domain, or outbound."`
	Lane   key    `placeholder:"NAME" help:"In this lane."`
	User   key    `placeholder:"NAME" help:"Submitted by this user."`
	Reason key    `placeholder:"TEXT" help:"Whose latest reply, or reason to be held, has this text."`
	State  string `enum:",active,waiting,held" default:"" help:"In this state: active, waiting or held."`
	All    bool   `help:"All messages."`
}

// key is text that messages are chosen by. A script whose variable is empty must
// not choose more than it names.
type key string

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *key) UnmarshalText(b []byte) error {
	if *k = key(b); len(b) == 0 {
		return errors.New("is empty, which would choose whatever the other keys do")
	}
	return nil
}

// filters returns what is chosen, one filter for each id.
func (k *queueKeys) filters() []queue.Filter {
	f := queue.Filter{
		All: k.All, To: string(k.To), From: string(k.From), Domain: string(k.Domain), Route: string(k.Route), Lane: string(k.Lane),
		User: string(k.User), Reason: string(k.Reason),
		State: queue.State(k.State),
	}
	if len(k.IDs) == 0 {
		return []queue.Filter{f}
	}
	var list []queue.Filter
	for _, id := range k.IDs {
		f.ID = string(id)
		list = append(list, f)
	}
	return list
}

// act does something to messages: by the running gateway, or on the database
// when there is none.
func (a *app) act(k *queueKeys, action queue.Action, reason string) error {
	p := a.progress(string(action))
	total := 0
	for _, f := range k.filters() {
		c := queue.Change{Action: action, Filter: f, Reason: reason}
		n, err := a.actOn(c, func(n int) { p.tell(total + n) })
		total += n
		if errors.Is(err, queue.ErrNoFilter) {
			return usageError{errors.New("which messages? give ids or a key such as --domain, or --all")}
		}
		if err != nil {
			return err
		}
	}
	p.end()
	if err := a.print(map[string]int{"messages": total}, func(w io.Writer) { fmt.Fprintln(w, total) }); err != nil {
		return err
	}
	if total == 0 {
		return errors.New("no message in the queue fits" + whyNone[action])
	}
	return nil
}

// whyNone tells why an action finds nothing, though there may be messages.
var whyNone = map[queue.Action]string{
	queue.Retry:   " that is neither held nor for later; `gapura queue list` tells what is there, `gapura queue release` lets go what is held",
	queue.Hold:    " that is not held; `gapura queue list` tells what is there",
	queue.Release: " that is held; `gapura queue list --state held` tells what is there",
	queue.Remove:  "; `gapura queue list` tells what is there",
}

func (a *app) actOn(c queue.Change, progress func(int)) (int, error) {
	if c.Filter == (queue.Filter{}) {
		return 0, queue.ErrNoFilter
	}
	cfg, err := config.LoadWithoutSecrets(a.config)
	if err != nil {
		return 0, err
	}
	n, err := askGateway(a.ctx, cfg, "/queue", c, progress)
	if !errors.Is(err, errNoGateway) {
		return n, err
	}
	err = a.withoutGateway(cfg, func(db *sqldb.DB, _ blob.Store) error {
		n, err = queue.ActOffline(a.ctx, db, cfg.Queue, c, progress)
		return err
	})
	return n, err
}

// withoutGateway calls f with queued mail while no gateway can start.
func (a *app) withoutGateway(cfg *config.Config, f func(db *sqldb.DB, blobs blob.Store) error) error {
	if cfg.Storage.Database == "sqlite" { // a full disk would keep mail from being removed
		if _, err := sqldb.FreeReserve(mailDir(cfg)); err != nil {
			return err
		}
	}
	err := a.withDatabaseOf(cfg, asGateway, func(db *sqldb.DB) error {
		blobs, err := openBlobs(a.ctx, cfg, db, slog.New(slog.DiscardHandler))
		if errors.Is(err, blob.ErrInUse) {
			return unreachable(cfg)
		}
		if err != nil {
			return err
		}
		defer blobs.Close() // until now no gateway can start
		return f(db, blobs)
	})
	if errors.Is(err, sqldb.ErrInUse) {
		err = fmt.Errorf("run this where that gateway runs, when it has started: %w", err)
	}
	return err
}

// unreachable says why a gateway that has the data folder cannot be asked.
func unreachable(cfg *config.Config) error {
	if len(controlPath(cfg)) > maxSocketPath {
		return fmt.Errorf("the gateway on %s cannot be asked: the path is too long for a control socket; stop it first", cfg.Data)
	}
	return fmt.Errorf("the gateway on %s is just starting, or ending, and takes no commands; try again in a moment", cfg.Data)
}

// acted is a line of what the gateway answers: how many so far, and at the end
// whether all went well.
type acted struct {
	Messages int    `json:"messages"`
	Done     bool   `json:"done,omitempty"`
	Error    string `json:"error,omitempty"`
}

// askGateway asks the running gateway to act.
func askGateway(ctx context.Context, cfg *config.Config, what string, c any, progress func(int)) (n int, err error) {
	resp, err := callControl(ctx, cfg, what, c)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := json.NewDecoder(bufio.NewReader(resp.Body))
	for {
		var x acted
		if err := lines.Decode(&x); err != nil {
			return n, fmt.Errorf("the gateway ended before it was done: %w", err)
		}
		n = x.Messages
		switch {
		case x.Error != "":
			return n, errors.New(x.Error)
		case x.Done:
			return n, nil
		}
		progress(n)
	}
}

// actOnQueue answers askGateway.
func (s *server) actOnQueue(w http.ResponseWriter, r *http.Request) {
	var c queue.Change
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if c.Action == queue.Retry {
		s.stores.out.Forget()
	}
	n := answerActing(w, func(progress func(int)) (int, error) { return s.stores.queue.Act(r.Context(), c, progress) })
	s.log.Info("queue "+string(c.Action), "filter", c.Filter, "messages", n)
}

// answerActing tells askGateway how far it is, and returns how many there were.
func answerActing(w http.ResponseWriter, act func(progress func(int)) (int, error)) int {
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	told := time.Now()
	n, err := act(func(n int) {
		if time.Since(told) > progressEvery {
			told = time.Now()
			out.Encode(acted{Messages: n})
			flush.Flush()
		}
	})
	end := acted{Messages: n, Done: true}
	if err != nil {
		end.Error = err.Error()
	}
	out.Encode(end)
	return n
}

// progressEvery is how often it is told how far something is.
const progressEvery = 200 * time.Millisecond

// progress tells on a terminal how far something is.
type progress struct {
	w    io.Writer // nil: nobody looks
	what string
	last time.Time
	any  bool
}

func (a *app) progress(what string) *progress {
	p := &progress{what: what, last: time.Now()}
	if f, ok := a.stderr.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			p.w = f
		}
	}
	return p
}

func (p *progress) tell(n int) {
	if p.w == nil || time.Since(p.last) < progressEvery {
		return
	}
	p.last, p.any = time.Now(), true
	fmt.Fprintf(p.w, "\r%s: %d", p.what, n)
}

func (p *progress) end() {
	if p.any {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

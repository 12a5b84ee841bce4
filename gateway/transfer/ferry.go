package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"
)

// A ferry carries mail between a command and the mailboxes, which the gateway
// may have open: Serve is the mailboxes' end, Ferry the command's.

// request begins a ferry.
type request struct {
	Do   string `json:"do"` // import or export
	User string `json:"user"`
	Over bool   `json:"over,omitempty"` // quotas do not count
	// Folders are those to export, none: all.
	Folders []string `json:"folders,omitempty"`
}

// word is all else: of its fields the one that is meant is set.
type word struct {
	Folder  *Folder  `json:"folder,omitempty"`
	Message *carried `json:"message,omitempty"` // its octets follow
	Sync    bool     `json:"sync,omitempty"`    // answered when all before it is durable
	Total   *Total   `json:"total,omitempty"`
	Result  *Result  `json:"result,omitempty"`
	End     bool     `json:"end,omitempty"`
	Error   string   `json:"error,omitempty"` // ends the ferry
}

// carried is a message on its way.
type carried struct {
	Folder string    `json:"folder"`
	Flags  []string  `json:"flags,omitempty"`
	Date   time.Time `json:"date,omitzero"`
	Size   int64     `json:"size"`
	Key    string    `json:"key"`
}

// Result is what became of one message that was imported.
type Result struct {
	Key       string `json:"key"`
	Duplicate bool   `json:"duplicate,omitempty"` // it was there already
	Error     string `json:"error,omitempty"`     // "": it is stored
}

// Counts are what an import or export did.
type Counts struct {
	Messages   int64 `json:"messages"`
	Octets     int64 `json:"octets"`
	Duplicates int64 `json:"duplicates"`
	Failed     int64 `json:"failed"`
}

// Progress is told of each message that is through: its size, and why it
// failed, "" : it did not.
type Progress func(size int64, key, failed string)

// Import carries all of a source that was scanned into the mailboxes of user.
// With over the user's quota does not count.
func Import(ctx context.Context, conn io.ReadWriteCloser, user string, over bool, folders []Folder, src Source, progress Progress) (n Counts, err error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	f := &ferry{pipe: newPipe(conn), n: &n, progress: progress, sizes: map[string]int64{}}
	if err := f.say(request{Do: "import", User: user, Over: over}); err != nil {
		return n, err
	}
	for i := range folders {
		if err := f.sayWithin(word{Folder: &folders[i]}, maxSaid); err != nil && err != errLong { // of its messages each is told
			return n, err
		}
	}
	if s, ok := src.(interface{ SyncWith(f func() (int64, error)) }); ok {
		s.SyncWith(func() (int64, error) {
			err := f.sync()
			return n.Failed, err
		})
	}
	for m, err := range src.Messages(ctx) {
		switch {
		case err == nil:
			err = f.carry(ctx, m)
		case m != nil:
			f.failed(m.Size, m.Key, err.Error())
			continue
		}
		if err != nil {
			return n, errors.Join(ctx.Err(), f.reason(err))
		}
	}
	if err := f.sync(); err != nil {
		return n, errors.Join(ctx.Err(), f.reason(err))
	}
	return n, nil
}

// reason is why the other end stopped listening, where it has said so.
func (f *ferry) reason(err error) error {
	if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		return err
	}
	for {
		var x word
		if f.hear(&x) != nil {
			return err
		}
		if x.Error != "" {
			return errors.New(x.Error)
		}
	}
}

// ferry is the command's end of an import.
type ferry struct {
	*pipe
	n        *Counts
	progress Progress
	sizes    map[string]int64 // on their way
	octets   int64
}

// Messages on their way are bounded, so that neither end waits for the other
// with its answers unread.
const (
	maxOnWay       = 200
	maxOctetsOnWay = 16 << 20
)

// carry sends one message.
func (f *ferry) carry(ctx context.Context, m *Message) error {
	r, err := m.Open(ctx)
	if err != nil {
		f.failed(m.Size, m.Key, err.Error())
		return nil
	}
	defer r.Close()
	err = f.sayWithin(word{Message: &carried{Folder: m.Folder, Flags: m.Flags, Date: m.Date, Size: m.Size, Key: m.Key}}, maxSaid)
	if err == errLong {
		f.failed(m.Size, m.Key, err.Error())
		return nil
	}
	if err == nil {
		err = f.send(r)
	}
	if err != nil {
		return err
	}
	f.sizes[m.Key] = m.Size
	f.octets += m.Size
	if len(f.sizes) >= maxOnWay || f.octets >= maxOctetsOnWay {
		return f.sync()
	}
	return nil
}

// sync waits until all that was sent is durable.
func (f *ferry) sync() error {
	if err := f.say(word{Sync: true}); err != nil {
		return err
	}
	if err := f.w.Flush(); err != nil {
		return err
	}
	for {
		var x word
		if err := f.hear(&x); err != nil {
			return err
		}
		switch {
		case x.Error != "":
			return errors.New(x.Error)
		case x.Sync:
			f.octets = 0
			return nil
		case x.Result != nil:
			f.took(x.Result)
		}
	}
}

func (f *ferry) took(r *Result) {
	size, ok := f.sizes[r.Key]
	if !ok {
		return
	}
	delete(f.sizes, r.Key)
	if r.Error != "" {
		f.failed(size, r.Key, r.Error)
		return
	}
	if r.Duplicate {
		f.n.Duplicates++
	} else {
		f.n.Messages++
		f.n.Octets += size
	}
	f.progress(size, r.Key, "")
}

func (f *ferry) failed(size int64, key, why string) {
	f.n.Failed++
	f.progress(size, key, why)
}

// Export carries folders of a user, all where none is named, into a sink.
// Begin is told how much there is. The sink is closed by the caller.
func Export(ctx context.Context, conn io.ReadWriteCloser, user string, folders []string, sink Sink, begin func(Total), progress Progress) (n Counts, err error) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	p := newPipe(conn)
	if err := p.say(request{Do: "export", User: user, Folders: folders}); err != nil {
		return n, err
	}
	if err := p.w.Flush(); err != nil {
		return n, err
	}
	for {
		var x word
		if err := p.hear(&x); err != nil {
			return n, errors.Join(ctx.Err(), unexpected(err))
		}
		switch {
		case x.Error != "":
			return n, errors.New(x.Error)
		case x.End:
			return n, nil
		case x.Total != nil:
			begin(*x.Total)
		case x.Folder != nil:
			if err := sink.Folder(*x.Folder); err != nil {
				return n, err
			}
		case x.Message != nil:
			if err := land(ctx, p, x.Message, sink); err != nil {
				return n, err
			}
			n.Messages++
			n.Octets += x.Message.Size
			progress(x.Message.Size, x.Message.Key, "")
		case x.Result != nil:
			n.Failed++
			progress(0, x.Result.Key, x.Result.Error)
		}
	}
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("the gateway went away: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// land writes one message that comes over p.
func land(ctx context.Context, p *pipe, c *carried, sink Sink) error {
	octets := &pieces{r: p.r}
	err := sink.Write(ctx, &Message{
		Folder: c.Folder, Flags: c.Flags, Date: c.Date, Size: c.Size, Key: c.Key,
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(octets), nil },
	})
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, octets)
	return err
}

package transfer

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
	"golang.org/x/net/html/charset"
)

// imapBatch is how many messages are asked for at once; dialTime and
// answerTime bound the waits.
// maxRemote bounds a message.
const (
	imapBatch  = 50
	maxRemote  = 256 << 20
	dialTime   = 30 * time.Second
	answerTime = 5 * time.Minute
)

// IMAPOptions say from where mail is fetched.
type IMAPOptions struct {
	Address   string // host:port
	TLS       *tls.Config
	StartTLS  bool // TLS by STARTTLS; else from the first octet
	Plaintext bool // no TLS at all
	User      string
	Password  string
	// Token is an OAuth access token, used instead of the password.
	Token string
	// Done returns the last UID of a folder that an earlier run has taken; 0:
	// none.
	Done func(folder string, validity uint32) uint32
	// Took is told that all up to uid are taken.
	Took func(folder string, validity, uid uint32) error
}

// IMAP is a mailbox on another server.
type IMAP struct {
	opt     IMAPOptions
	conn    net.Conn
	client  *imapclient.Client
	folders []imapFolder
	sync    func() (failed int64, err error)
	failed  int64 // so far
}

// SyncWith has f called before Took is told of a batch: it makes durable what
// was given, and tells how many messages have failed so far.
func (x *IMAP) SyncWith(f func() (failed int64, err error)) { x.sync = f }

type imapFolder struct {
	Folder
	remote   string
	validity uint32
	uids     []imap.UID
}

// DialIMAP connects and logs in.
func DialIMAP(ctx context.Context, opt IMAPOptions) (*IMAP, error) {
	conn, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, "tcp", opt.Address)
	if err != nil {
		return nil, err
	}
	x := &IMAP{opt: opt, conn: deadlineConn{conn}}
	options := &imapclient.Options{WordDecoder: &mime.WordDecoder{CharsetReader: charset.NewReaderLabel}}
	switch {
	case opt.Plaintext:
		x.client = imapclient.New(x.conn, options)
	case opt.StartTLS:
		options.TLSConfig = opt.TLS
		x.client, err = imapclient.NewStartTLS(x.conn, options)
	default:
		c := tls.Client(x.conn, opt.TLS)
		if err = c.HandshakeContext(ctx); err == nil {
			x.client = imapclient.New(c, options)
		}
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%s: %w", opt.Address, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := x.login(); err != nil {
		x.client.Close()
		return nil, fmt.Errorf("%s does not let %s in: %w", opt.Address, opt.User, err)
	}
	return x, nil
}

// deadlineConn gives each read and write a time of its own.
type deadlineConn struct{ net.Conn }

// Read implements net.Conn.
func (c deadlineConn) Read(p []byte) (int, error) {
	c.SetReadDeadline(time.Now().Add(answerTime))
	return c.Conn.Read(p)
}

// Write implements net.Conn.
func (c deadlineConn) Write(p []byte) (int, error) {
	c.SetWriteDeadline(time.Now().Add(answerTime))
	return c.Conn.Write(p)
}

func (x *IMAP) login() error {
	if x.opt.Token != "" {
		host, _, _ := net.SplitHostPort(x.opt.Address)
		return x.client.Authenticate(sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: x.opt.User, Token: x.opt.Token, Host: host}))
	}
	if caps := x.client.Caps(); caps.Has(imap.AuthCap("PLAIN")) {
		return x.client.Authenticate(sasl.NewPlainClient("", x.opt.User, x.opt.Password))
	}
	return x.client.Login(x.opt.User, x.opt.Password).Wait()
}

// Close implements Source.
func (x *IMAP) Close() error {
	if err := x.client.Logout().Wait(); err != nil {
		return x.client.Close()
	}
	return x.client.Close()
}

// Scan implements Source.
func (x *IMAP) Scan(ctx context.Context) ([]Folder, Total, error) {
	stop := context.AfterFunc(ctx, func() { x.conn.Close() })
	defer stop()
	list, err := x.list()
	if err != nil {
		return nil, Total{}, err
	}
	x.folders = nil
	var folders []Folder
	var total Total
	for _, data := range list {
		f, t, err := x.scan(data)
		if err != nil {
			return nil, Total{}, fmt.Errorf("%s: %w", data.Mailbox, err)
		}
		x.folders = append(x.folders, f)
		folders = append(folders, f.Folder)
		total.Messages += t.Messages
		total.Octets += t.Octets
	}
	return folders, total, nil
}

// list finds the folders that have messages of their own: not \NoSelect, and
// not those that show messages of others (Gmail's "All Mail").
func (x *IMAP) list() ([]*imap.ListData, error) {
	list, err := x.client.List("", "*", nil).Collect()
	if err != nil {
		return nil, err
	}
	subscribed := map[string]bool{}
	if subs, err := x.client.List("", "*", &imap.ListOptions{SelectSubscribed: true}).Collect(); err == nil {
		for _, s := range subs {
			subscribed[s.Mailbox] = true
		}
	}
	return slices.DeleteFunc(list, func(d *imap.ListData) bool {
		if subscribed[d.Mailbox] {
			d.Attrs = append(d.Attrs, imap.MailboxAttrSubscribed)
		}
		for _, a := range []imap.MailboxAttr{imap.MailboxAttrNoSelect, imap.MailboxAttrNonExistent, imap.MailboxAttrAll, imap.MailboxAttrFlagged} {
			if slices.Contains(d.Attrs, a) {
				return true
			}
		}
		return slices.Contains(d.Attrs, `\Important`)
	}), nil
}

// scan finds the messages of a folder that are not yet taken.
func (x *IMAP) scan(d *imap.ListData) (f imapFolder, t Total, err error) {
	f = imapFolder{remote: d.Mailbox, Folder: Folder{Name: d.Mailbox, Subscribed: slices.Contains(d.Attrs, imap.MailboxAttrSubscribed)}}
	if d.Delim != 0 && d.Delim != '/' {
		f.Name = strings.ReplaceAll(strings.ReplaceAll(f.Name, "/", "_"), string(d.Delim), "/")
	}
	f.Name = inboxName(f.Name)
	for _, a := range []imap.MailboxAttr{imap.MailboxAttrSent, imap.MailboxAttrDrafts, imap.MailboxAttrTrash, imap.MailboxAttrJunk, imap.MailboxAttrArchive} {
		if slices.Contains(d.Attrs, a) {
			f.Role = string(a)
		}
	}
	if f.Role == "" {
		f.Role = roleOf(f.Name)
	}
	selected, err := x.client.Select(d.Mailbox, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		return f, t, err
	}
	f.validity = selected.UIDValidity
	if selected.NumMessages == 0 {
		return f, t, nil
	}
	var from imap.UID
	if x.opt.Done != nil {
		from = imap.UID(x.opt.Done(f.Name, f.validity))
	}
	set := imap.UIDSet{imap.UIDRange{Start: from + 1, Stop: 0}}
	list := x.client.Fetch(set, &imap.FetchOptions{UID: true, RFC822Size: true})
	defer list.Close()
	for m := list.Next(); m != nil; m = list.Next() {
		b, err := m.Collect()
		if err != nil {
			return f, t, err
		}
		if b.UID > from { // N:* names the last one, however small
			f.uids = append(f.uids, b.UID)
			t.Messages++
			t.Octets += b.RFC822Size
		}
	}
	slices.Sort(f.uids)
	return f, t, list.Close()
}

// Messages implements Source.
func (x *IMAP) Messages(ctx context.Context) iter.Seq2[*Message, error] {
	return func(yield func(*Message, error) bool) {
		stop := context.AfterFunc(ctx, func() { x.conn.Close() })
		defer stop()
		for i := range x.folders {
			if ok, err := x.folder(ctx, &x.folders[i], yield); err != nil {
				yield(nil, errors.Join(ctx.Err(), fmt.Errorf("%s: %w", x.folders[i].remote, err)))
				return
			} else if !ok {
				return
			}
		}
	}
}

// folder gives the messages of one folder, and notes what was taken after
// each batch.
func (x *IMAP) folder(ctx context.Context, f *imapFolder, yield func(*Message, error) bool) (more bool, err error) {
	if len(f.uids) == 0 {
		return true, nil
	}
	s, err := x.client.Select(f.remote, &imap.SelectOptions{ReadOnly: true}).Wait()
	if err != nil {
		return false, err
	}
	if s.UIDValidity != f.validity {
		return false, errors.New("was made anew meanwhile; run this again")
	}
	before := x.failed
	for batch := range slices.Chunk(f.uids, imapBatch) {
		if more, err := x.batch(ctx, f, batch, yield); !more || err != nil {
			return more, err
		}
		if x.sync != nil {
			if x.failed, err = x.sync(); err != nil {
				return false, err
			}
		}
		// From one that failed on, all are asked for again by a further run.
		if x.opt.Took != nil && x.failed == before {
			if err := x.opt.Took(f.Name, f.validity, uint32(batch[len(batch)-1])); err != nil {
				return false, err
			}
		}
	}
	return true, nil
}

func (x *IMAP) batch(ctx context.Context, f *imapFolder, uids []imap.UID, yield func(*Message, error) bool) (more bool, err error) {
	section := &imap.FetchItemBodySection{Peek: true}
	list := x.client.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true, BodySection: []*imap.FetchItemBodySection{section}})
	defer list.Close()
	for data := list.Next(); data != nil; data = list.Next() {
		m := &Message{Folder: f.Name}
		var failed error
		for item := data.Next(); item != nil; item = data.Next() {
			switch item := item.(type) {
			case imapclient.FetchItemDataUID:
				m.Key = fmt.Sprintf("%s/%d/%d", f.Name, f.validity, item.UID)
			case imapclient.FetchItemDataFlags:
				for _, flag := range item.Flags {
					if !strings.EqualFold(string(flag), `\Recent`) {
						m.Flags = append(m.Flags, string(flag))
					}
				}
			case imapclient.FetchItemDataInternalDate:
				m.Date = item.Time
			case imapclient.FetchItemDataRFC822Size:
				m.Size = item.Size
			case imapclient.FetchItemDataBodySection:
				if item.Literal == nil {
					continue
				}
				text, err := io.ReadAll(io.LimitReader(item.Literal, maxRemote))
				if err != nil {
					return false, err
				}
				if item.Literal.Size() > maxRemote {
					failed = fmt.Errorf("%s has %d octets; at most %d are taken", m.Key, item.Literal.Size(), maxRemote)
					if _, err := io.Copy(io.Discard, item.Literal); err != nil {
						return false, err
					}
				}
				m.Open = func(context.Context) (io.ReadCloser, error) {
					return io.NopCloser(NewCRLFReader(bytes.NewReader(text))), nil
				}
			}
		}
		if m.Open == nil { // expunged meanwhile, or flags alone
			continue
		}
		if !yield(m, failed) {
			return false, nil
		}
	}
	return true, list.Close()
}

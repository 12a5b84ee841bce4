package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// restoreCmd is `gapura restore`.
type restoreCmd struct {
	Dir          string `arg:"" help:"The folder of a backup."`
	WithoutQueue bool   `name:"without-queue" help:"Leave out the mail that was queued."`
}

// Help is printed below the flags.
func (*restoreCmd) Help() string {
	return `Brings a backup back into the storage of the configuration, which must be empty:
the data folder, the PostgreSQL database, the S3 bucket. A backup of one kind of
storage goes into any other, so this is also how to move from SQLite and files
to PostgreSQL and S3. The gateway must not run.

Mail that had been queued when the backup was made is queued again and may
arrive twice; --without-queue leaves it out.

Examples:
  gapura restore /srv/backup/gapura
  gapura -c new-machine.yaml restore /mnt/nightly`
}

// Run implements the command.
func (c *restoreCmd) Run(a *app) (err error) {
	cfg, err := config.LoadWithoutSecrets(a.config)
	if err != nil {
		return err
	}
	m, err := readManifest(c.Dir)
	if err != nil {
		return err
	}
	if err := checkOwner(cfg.Data); err != nil {
		return err
	}
	if err := emptyData(cfg.Data); err != nil {
		return err
	}
	if err := c.restore(a, cfg, filepath.Join(c.Dir, m.State)); err != nil {
		return fmt.Errorf("%w; what was restored so far is not whole: empty the storage before trying again", err)
	}
	return a.print(m, func(w io.Writer) {
		fmt.Fprintf(w, "restored: %d octets of mail, as of %s\n", m.Octets, m.Made.Format("2006-01-02 15:04:05 MST"))
	})
}

func readManifest(dir string) (m manifest, err error) {
	b, err := os.ReadFile(filepath.Join(dir, backupManifest))
	if errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("%s has no whole backup: %w", dir, err)
	}
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err == nil && m.Format != backupFormat {
		err = fmt.Errorf("%s: format %d is of another version (%s)", dir, m.Format, m.Version)
	}
	return m, err
}

// emptyData makes the data folder; an error tells that it has something in it.
func emptyData(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	list, err := os.ReadDir(dir)
	if err == nil && len(list) > 0 {
		err = fmt.Errorf("%s is not empty (%s); move it away before restoring", dir, list[0].Name())
	}
	return err
}

// restore copies the files, the segments, and at last the rows. Until it is
// through the data folder says so, and nobody opens it.
func (c *restoreCmd) restore(a *app, cfg *config.Config, state string) error {
	mark := filepath.Join(cfg.Data, restoring)
	if err := errors.Join(writeDurably(mark, nil), syncDir(cfg.Data)); err != nil {
		return err
	}
	files := filepath.Join(state, backupFiles)
	if _, err := os.Stat(files); err == nil {
		if err := a.copyTree(files, cfg.Data); err != nil {
			return err
		}
	}
	for _, s := range backupStores {
		dst, err := s.read(a.ctx, cfg)
		if err != nil {
			return err
		}
		p := a.newBar(s.name, -1)
		err = blob.Restore(a.ctx, filepath.Join(c.Dir, s.name), dst.(blob.Segments), p.set)
		p.end()
		if err = errors.Join(err, dst.Close()); err != nil {
			return err
		}
	}
	if err := c.rows(a, cfg, state); err != nil {
		return err
	}
	return errors.Join(syncTree(cfg.Data), os.Remove(mark), syncDir(cfg.Data))
}

// rows loads the database, and has mail programs notice that time has gone
// back.
func (c *restoreCmd) rows(a *app, cfg *config.Config, state string) (err error) {
	ctx := a.ctx
	from := filepath.Join(state, backupDatabase)
	if list, err := os.ReadDir(from); err != nil || len(list) == 0 {
		return fmt.Errorf("%s has no rows: %w", from, cmp.Or(err, fs.ErrNotExist))
	}
	if cfg.Storage.Database == "" || cfg.Storage.Database == "sqlite" {
		if err := a.copyTree(from, cfg.Data); err != nil {
			return err
		}
	}
	db, err := sqldb.Open(ctx, sqldb.Options{URL: cfg.Storage.Database, Dir: cfg.Data, Sole: asGateway})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if cfg.Storage.Database != "" && cfg.Storage.Database != "sqlite" {
		if err := db.Load(ctx, from); err != nil {
			return err
		}
	}
	if c.WithoutQueue {
		err = queue.Clear(ctx, db)
	} else { // rows of what was just being delivered: the octets may be in S3 from now on
		err = queue.Recover(ctx, db, blob.NotesOf(blob.Options{Dir: filepath.Join(c.Dir, "queue")}))
	}
	if err != nil {
		return err
	}
	// UIDs that were given after the backup must not be given again.
	return mailbox.Restored(ctx, db)
}

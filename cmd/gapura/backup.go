package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gapura-mail/gapura/config"
	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/mailbox"
	"github.com/gapura-mail/gapura/gateway/queue"
	"github.com/gapura-mail/gapura/gateway/sqldb"
)

// backupCmd is `gapura backup`.
type backupCmd struct {
	Dir string `arg:"" help:"The folder; the backup that it has is brought up to date."`
}

// Help is printed below the flags.
func (*backupCmd) Help() string {
	return `Copies mailboxes, queue, users, keys and certificates as they are at one moment,
while the gateway runs. Into a folder with an earlier backup only what has
changed since is copied, segment by segment; the earlier one stays good until
the new one is whole. PostgreSQL and S3 are copied into files, too.

Examples:
  gapura backup /srv/backup/gapura
  gapura -c /etc/gapura/gapura.yaml --json backup /mnt/nightly`
}

// What a backup's folder has: the segments of mail and queue, which all runs
// share; a folder of its own for each run, with the rows in database, the other
// files of the data folder in files, and the configuration; the manifest, which
// names the folder of the last whole run.
const (
	backupState    = "state-"
	backupDatabase = "database"
	backupFiles    = "files"
	backupConfig   = "config"
	backupManifest = "gapura-backup.json"
	backupFormat   = 1
)

// manifest says what a backup is of.
type manifest struct {
	Format   int       `json:"format"`
	Version  string    `json:"version"`
	Hostname string    `json:"hostname"`
	Made     time.Time `json:"made"`
	Octets   int64     `json:"octets"` // of all messages
	State    string    `json:"state"`  // the folder with all but the segments
	Segments int       `json:"segments"`
	Copied   int64     `json:"copied"` // octets that this run has copied
}

// backupStores are the folders of segments, and who refers to them.
var backupStores = []struct {
	name string
	read func(ctx context.Context, cfg *config.Config) (blob.Store, error)
	live func(ctx context.Context, db *sqldb.DB) iter.Seq2[blob.Ref, error]
}{
	{"mail", readMailBlobs, mailbox.Refs},
	{"queue", readBlobs, func(ctx context.Context, db *sqldb.DB) iter.Seq2[blob.Ref, error] { return queue.Live(ctx, db, nil) }},
}

// readMailBlobs opens the octets of the mailboxes for reading; the gateway may
// have them open meanwhile.
func readMailBlobs(ctx context.Context, cfg *config.Config) (blob.Store, error) {
	if !strings.HasPrefix(cfg.Storage.Objects, "s3:") {
		return blob.OpenFiles(ctx, blob.Options{Dir: mailDir(cfg), ReadOnly: true}, nil)
	}
	opt, err := blob.ParseS3(cfg.Storage.Objects)
	if err != nil {
		return nil, err
	}
	opt.Prefix += "mail/"
	opt.ReadOnly = true
	return blob.OpenS3(ctx, opt, nil, nil)
}

// maxBackupTries bounds how often the rows are copied again because segments
// that they refer to were compacted away meanwhile.
const maxBackupTries = 5

// Run implements the command.
func (c *backupCmd) Run(a *app) (err error) {
	cfg, err := config.LoadWithoutSecrets(a.config)
	if err != nil {
		return err
	}
	if err := checkOwner(cfg.Data); err != nil {
		return err
	}
	if err := outside(c.Dir, cfg.Data); err != nil {
		return err
	}
	if err := usableBackup(c.Dir); err != nil {
		return err
	}
	state, err := nextState(c.Dir)
	if err != nil {
		return err
	}
	db, err := openDatabase(a.ctx, cfg, asCommand)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	m := manifest{Format: backupFormat, Version: version(), Hostname: cfg.Hostname, Made: time.Now().UTC(), State: state}
	b := &backup{app: a, cfg: cfg, db: db, dir: c.Dir, manifest: &m}
	if err := b.run(); err != nil {
		return err
	}
	return a.print(m, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d octets of mail in %d segments, %d copied now\n", c.Dir, m.Octets, m.Segments, m.Copied)
	})
}

// outside tells whether a backup may be in dir: not in the data folder, which
// it would copy itself with.
func outside(dir, data string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if data, err = filepath.Abs(data); err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(data); err == nil {
		data = real
	}
	for at := dir; ; at = filepath.Dir(at) { // the part that is there
		if real, err := filepath.EvalSymlinks(at); err == nil {
			dir = filepath.Join(real, strings.TrimPrefix(dir, at))
			break
		}
	}
	if rel, err := filepath.Rel(data, dir); err == nil && filepath.IsLocal(rel) {
		return fmt.Errorf("%s is inside the data folder %s; name a folder elsewhere", dir, data)
	}
	return nil
}

// usableBackup makes the folder. One with other things in it is refused.
func usableBackup(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	ours := []string{backupManifest, backupManifest + ".new", "mail", "queue"}
	for _, e := range list {
		if !slices.Contains(ours, e.Name()) && !strings.HasPrefix(e.Name(), backupState) {
			return fmt.Errorf("%s has %s in it, which no backup has; name a folder of its own", dir, e.Name())
		}
	}
	return nil
}

// nextState names the folder of a new run: another than the last whole one's.
// What a run that was broken off has left there is removed.
func nextState(dir string) (string, error) {
	n := 0
	m, err := readManifest(dir)
	if err == nil {
		n, err = strconv.Atoi(strings.TrimPrefix(m.State, backupState))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	name := fmt.Sprint(backupState, n+1)
	return name, os.RemoveAll(filepath.Join(dir, name))
}

// backup is one run.
type backup struct {
	*app
	cfg *config.Config
	db  *sqldb.DB
	dir string
	*manifest
}

// run copies the segments, which takes long, then the rows, then the segments
// that came meanwhile, so that the rows refer to nothing that is not there.
func (b *backup) run() error {
	if _, err := b.mirror(true); err != nil {
		return err
	}
	fresh := filepath.Join(b.dir, b.State, backupDatabase)
	var sizes []map[string]int64
	for try := 1; ; try++ {
		if err := errors.Join(os.RemoveAll(fresh), os.MkdirAll(fresh, 0o700)); err != nil {
			return err
		}
		if err := b.db.Snapshot(b.ctx, fresh, "search"); err != nil {
			return err
		}
		var err error
		if sizes, err = b.mirror(false); err != nil {
			return err
		}
		missing, err := b.missing(fresh, sizes)
		if err != nil {
			return err
		}
		if missing == nil {
			break
		}
		if try == maxBackupTries {
			return fmt.Errorf("rows refer to %s, which is not there; gapura check store tells more", missing)
		}
	}
	if err := b.otherFiles(); err != nil {
		return err
	}
	return b.finish(sizes)
}

// mirror copies the segments.
func (b *backup) mirror(show bool) (sizes []map[string]int64, err error) {
	for _, s := range backupStores {
		src, err := s.read(b.ctx, b.cfg)
		if err != nil {
			return nil, err
		}
		p := bar{}
		if show {
			p = b.newBar(s.name, -1)
		}
		var before int64
		got, err := blob.Mirror(b.ctx, src.(blob.Segments), filepath.Join(b.dir, s.name), func(n, of int64) {
			p.set(n, of)
			b.Copied += n - before
			before = n
		})
		p.end()
		if err = errors.Join(err, src.Close()); err != nil {
			return nil, err
		}
		sizes = append(sizes, got)
	}
	return sizes, nil
}

// missing returns what rows refer to and the copies do not have; nil: nothing.
func (b *backup) missing(dir string, sizes []map[string]int64) (*blob.Ref, error) {
	db, err := sqldb.Open(b.ctx, sqldb.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	b.Octets, b.Segments = 0, 0
	for i, s := range backupStores {
		b.Segments += len(sizes[i])
		for ref, err := range s.live(b.ctx, db) {
			if err != nil {
				return nil, err
			}
			if !blob.Covers(sizes[i], ref) {
				return &ref, nil
			}
			b.Octets += ref.Size
		}
	}
	return nil, nil
}

// notInBackup are what the data folder has beside: copied in another way, made
// anew, or of the running process.
var notInBackup = []string{restoring, "gapura.db", "gapura.db-wal", "gapura.db-shm", "blobs", "mail", "search", "spool", "control.sock"}

// otherFiles copies what else there is: certificates, the configuration.
func (b *backup) otherFiles() error {
	to := filepath.Join(b.dir, b.State, backupFiles)
	list, err := os.ReadDir(b.cfg.Data)
	if err != nil {
		return err
	}
	for _, e := range list {
		if slices.Contains(notInBackup, e.Name()) || strings.HasPrefix(e.Name(), "search") {
			continue
		}
		if err := b.copyTree(filepath.Join(b.cfg.Data, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	to = filepath.Join(b.dir, b.State, backupConfig)
	for _, name := range append([]string{b.config}, b.cfg.Policy...) {
		into := filepath.Join(to, filepath.Base(name))
		for i := 2; ; i++ { // a policy of another folder may have the same name
			if _, err := os.Lstat(into); err != nil {
				break
			}
			into = filepath.Join(to, fmt.Sprint(i, "-", filepath.Base(name)))
		}
		if err := b.copyTree(name, into); err != nil {
			return err
		}
	}
	return nil
}

// copyTree copies a file, or a folder with what is in it. Instead of a link what
// it leads to is copied: in the copy it may lead nowhere. What is neither, a
// socket for instance, is passed over; told are links that lead nowhere, and
// those in a circle.
func (a *app) copyTree(from, to string) error { return a.copyInto(from, to, nil) }

// copyInto is copyTree in the folders above, whose names are without links.
func (a *app) copyInto(from, to string, above []string) error {
	real, err := filepath.EvalSymlinks(from)
	if err != nil {
		return a.passOver(from, err)
	}
	info, err := os.Stat(real)
	switch {
	case errors.Is(err, fs.ErrNotExist): // gone meanwhile
		return nil
	case err != nil:
		return err
	case info.Mode().IsRegular():
		return copyFile(real, to)
	case !info.IsDir():
		return nil
	case slices.Contains(above, real):
		return a.passOver(from, errors.New("it leads to a folder that it is in"))
	case len(above) == maxBackupDepth:
		return fmt.Errorf("%s: more than %d folders in one another", from, maxBackupDepth)
	}
	list, err := os.ReadDir(real)
	if err != nil {
		return err
	}
	above = append(above[:len(above):len(above)], real)
	for _, e := range list {
		if err := a.copyInto(filepath.Join(from, e.Name()), filepath.Join(to, e.Name()), above); err != nil {
			return err
		}
	}
	return nil
}

// maxBackupDepth bounds how deep folders are in one another.
const maxBackupDepth = 100

// passOver tells of a link that is not copied; a file that has gone meanwhile is
// not missed.
func (a *app) passOver(name string, why error) error {
	if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	fmt.Fprintf(a.stderr, "gapura: warning: %s is not copied: %v\n", name, why)
	return nil
}

func copyFile(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	if err == nil {
		err = w.Sync()
	}
	return errors.Join(err, w.Close())
}

// finish makes this run the one that counts, at one instant, and then removes
// what only the earlier ones had.
func (b *backup) finish(sizes []map[string]int64) error {
	text, err := json.MarshalIndent(b.manifest, "", "  ")
	if err != nil {
		return err
	}
	fresh := filepath.Join(b.dir, backupManifest+".new")
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := writeDurably(fresh, append(text, '\n')); err != nil {
		return err
	}
	if err := syncTree(filepath.Join(b.dir, b.State)); err != nil {
		return err
	}
	if err := errors.Join(os.Rename(fresh, filepath.Join(b.dir, backupManifest)), syncDir(b.dir)); err != nil {
		return err
	}
	for i, s := range backupStores {
		if err := blob.Prune(filepath.Join(b.dir, s.name), sizes[i]); err != nil {
			return err
		}
	}
	old, err := filepath.Glob(filepath.Join(b.dir, backupState+"*"))
	for _, dir := range old {
		if filepath.Base(dir) != b.State {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}
	return errors.Join(err, syncDir(b.dir))
}

// writeDurably writes a new file.
func writeDurably(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncTree makes all files and names below dir durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return syncDir(name)
	})
}

// syncDir makes a folder's names, or a file, durable.
func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

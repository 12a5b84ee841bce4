package mailbox

// steps are the tables' migrations. A folder's messages are under its key,
// which is not its id: RENAME of INBOX gives the key to another folder.
var steps = []string{`
CREATE TABLE mailbox_counters (
	name TEXT NOT NULL PRIMARY KEY,
	next INTEGER NOT NULL
);
CREATE TABLE mailbox_users (
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	domain TEXT NOT NULL,
	version INTEGER NOT NULL,
	octets INTEGER NOT NULL,
	messages INTEGER NOT NULL
);
CREATE INDEX mailbox_users_domain ON mailbox_users (domain);
CREATE TABLE mailbox_folders (
	id INTEGER PRIMARY KEY,
	owner INTEGER NOT NULL,
	name TEXT NOT NULL,
	role INTEGER NOT NULL,
	key INTEGER NOT NULL,
	validity INTEGER NOT NULL,
	next INTEGER NOT NULL,
	modseq INTEGER NOT NULL,
	forgotten INTEGER NOT NULL,
	messages INTEGER NOT NULL,
	unseen INTEGER NOT NULL,
	deleted INTEGER NOT NULL,
	size INTEGER NOT NULL,
	deleted_size INTEGER NOT NULL,
	keywords TEXT NOT NULL,
	UNIQUE (owner, name)
);
CREATE TABLE mailbox_subscriptions (
	owner INTEGER NOT NULL,
	name TEXT NOT NULL,
	PRIMARY KEY (owner, name)
) WITHOUT ROWID;
CREATE TABLE mailbox_messages (
	folder INTEGER NOT NULL,
	uid INTEGER NOT NULL,
	modseq INTEGER NOT NULL,
	flags INTEGER NOT NULL,
	size INTEGER NOT NULL,
	object INTEGER NOT NULL,
	date INTEGER NOT NULL,
	saved INTEGER NOT NULL,
	sent INTEGER NOT NULL,
	PRIMARY KEY (folder, uid)
) WITHOUT ROWID;
CREATE INDEX mailbox_messages_changed ON mailbox_messages (folder, modseq);
CREATE INDEX mailbox_messages_sent ON mailbox_messages (folder, sent, uid);
CREATE INDEX mailbox_messages_object ON mailbox_messages (object, folder, uid);
CREATE TABLE mailbox_blocks (
	folder INTEGER NOT NULL,
	block INTEGER NOT NULL,
	uids BLOB NOT NULL,
	PRIMARY KEY (folder, block)
) WITHOUT ROWID;
CREATE TABLE mailbox_expunged (
	folder INTEGER NOT NULL,
	modseq INTEGER NOT NULL,
	day INTEGER NOT NULL,
	uids BLOB NOT NULL,
	PRIMARY KEY (folder, modseq)
) WITHOUT ROWID;
CREATE INDEX mailbox_expunged_day ON mailbox_expunged (day);
CREATE TABLE mailbox_purges (
	folder INTEGER PRIMARY KEY
);
CREATE TABLE mailbox_objects (
	id INTEGER PRIMARY KEY,
	refs INTEGER NOT NULL,
	segment INTEGER NOT NULL,
	start INTEGER NOT NULL,
	size INTEGER NOT NULL,
	sent INTEGER NOT NULL,
	thread INTEGER NOT NULL,
	record BLOB NOT NULL
);
CREATE TABLE mailbox_segments (
	segment INTEGER PRIMARY KEY,
	octets INTEGER NOT NULL,
	sum INTEGER NOT NULL
);
CREATE TABLE mailbox_events (
	seq INTEGER PRIMARY KEY,
	object INTEGER NOT NULL,
	removed INTEGER NOT NULL
);
CREATE TABLE mailbox_keys (
	key BLOB NOT NULL PRIMARY KEY,
	day INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX mailbox_keys_day ON mailbox_keys (day);
CREATE TABLE mailbox_annotations (
	owner INTEGER NOT NULL,
	folder INTEGER NOT NULL,
	name TEXT NOT NULL,
	value BLOB NOT NULL,
	PRIMARY KEY (owner, folder, name)
) WITHOUT ROWID;
CREATE TABLE mailbox_scripts (
	owner INTEGER NOT NULL,
	name TEXT NOT NULL,
	active INTEGER NOT NULL,
	changed INTEGER NOT NULL,
	version INTEGER NOT NULL,
	data BLOB NOT NULL,
	PRIMARY KEY (owner, name)
) WITHOUT ROWID;
CREATE TABLE mailbox_once (
	owner INTEGER NOT NULL,
	key BLOB NOT NULL,
	day INTEGER NOT NULL,
	until INTEGER NOT NULL,
	PRIMARY KEY (owner, key)
) WITHOUT ROWID;
CREATE INDEX mailbox_once_day ON mailbox_once (day);
`, `
CREATE TABLE mailbox_contents (
	folder INTEGER NOT NULL,
	block INTEGER NOT NULL,
	objects BLOB NOT NULL,
	PRIMARY KEY (folder, block)
) WITHOUT ROWID;
DROP INDEX mailbox_messages_changed;
CREATE INDEX mailbox_messages_changed ON mailbox_messages (folder, modseq, uid, flags);
`}

// The statements; every one is prepared once.
const (
	// sqlReserve gives the caller the numbers below what it returns.
	sqlReserve = `INSERT INTO mailbox_counters (name, next) VALUES (?, ?)
		ON CONFLICT (name) DO UPDATE SET next = mailbox_counters.next + ? RETURNING next`
	sqlCounter = `SELECT next FROM mailbox_counters WHERE name = ?`
	// sqlValidity gives the number before what it returns, the clock's where
	// that is later.
	sqlValidity = `INSERT INTO mailbox_counters (name, next) VALUES ('validity', ? + 1)
		ON CONFLICT (name) DO UPDATE SET next = CASE WHEN mailbox_counters.next > ? THEN mailbox_counters.next ELSE ? END + 1
		RETURNING next`

	sqlUser        = `SELECT id, name, version, octets, messages FROM mailbox_users WHERE name = ?`
	sqlUserByID    = `SELECT id, name, version, octets, messages FROM mailbox_users WHERE id = ?`
	sqlUsers       = `SELECT name FROM mailbox_users WHERE name > ? ORDER BY name LIMIT ?`
	sqlDomain      = `SELECT COALESCE(SUM(octets), 0), COALESCE(SUM(messages), 0) FROM mailbox_users WHERE domain = ?`
	sqlInsertUser  = `INSERT INTO mailbox_users (id, name, domain, version, octets, messages) VALUES (?, ?, ?, 1, 0, 0) ON CONFLICT (name) DO NOTHING`
	sqlDeleteUser  = `DELETE FROM mailbox_users WHERE id = ?`
	sqlUsage       = `UPDATE mailbox_users SET octets = octets + ?, messages = messages + ? WHERE id = ?`
	sqlUserVersion = `UPDATE mailbox_users SET version = version + 1 WHERE id = ?`

	folderColumns   = `id, name, role, key, validity, next, modseq, forgotten, messages, unseen, deleted, size, deleted_size, keywords`
	sqlFolders      = `SELECT ` + folderColumns + ` FROM mailbox_folders WHERE owner = ?`
	sqlFolder       = `SELECT ` + folderColumns + ` FROM mailbox_folders WHERE id = ?`
	sqlInsertFolder = `INSERT INTO mailbox_folders (owner, ` + folderColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlUpdateFolder = `UPDATE mailbox_folders SET next = ?, modseq = ?, messages = ?, unseen = ?, deleted = ?, size = ?, deleted_size = ?, keywords = ? WHERE id = ?`
	sqlRenameFolder = `UPDATE mailbox_folders SET name = ? WHERE id = ?`
	sqlFolderRole   = `UPDATE mailbox_folders SET role = ? WHERE id = ?`
	sqlFolderKey    = `UPDATE mailbox_folders SET key = ?, forgotten = ? WHERE id = ?`
	sqlForgotten    = `UPDATE mailbox_folders SET forgotten = ? WHERE key = ? AND forgotten < ?`
	sqlDeleteFolder = `DELETE FROM mailbox_folders WHERE id = ?`

	sqlSubscriptions = `SELECT name FROM mailbox_subscriptions WHERE owner = ? ORDER BY name`
	sqlSubscribe     = `INSERT INTO mailbox_subscriptions (owner, name) VALUES (?, ?) ON CONFLICT (owner, name) DO NOTHING`
	sqlUnsubscribe   = `DELETE FROM mailbox_subscriptions WHERE owner = ? AND name = ?`

	messageColumns   = `uid, modseq, flags, size, object, date, saved, sent`
	sqlMessages      = `SELECT ` + messageColumns + ` FROM mailbox_messages WHERE folder = ? AND uid BETWEEN ? AND ? ORDER BY uid`
	sqlSomeMessages  = `SELECT ` + messageColumns + ` FROM mailbox_messages WHERE folder = ? AND uid IN (` + someMarks + `) ORDER BY uid`
	sqlMessagesSince = `SELECT ` + messageColumns + ` FROM mailbox_messages WHERE folder = ? AND modseq > ?`
	// sqlChangedFlags finds all in the index.
	sqlChangedFlags  = `SELECT uid, modseq, flags FROM mailbox_messages WHERE folder = ? AND modseq > ? LIMIT ?`
	sqlInsertMessage = `INSERT INTO mailbox_messages (folder, ` + messageColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlUpdateMessage = `UPDATE mailbox_messages SET flags = ?, modseq = ? WHERE folder = ? AND uid = ?`
	sqlDeleteMessage = `DELETE FROM mailbox_messages WHERE folder = ? AND uid = ?`
	sqlChanged       = `SELECT uid FROM mailbox_messages WHERE folder = ? AND modseq > ?`
	sqlWithObjects   = `SELECT object, uid FROM mailbox_messages WHERE folder = ? AND object IN (` + someMarks + `)`
	sqlBySent        = `SELECT uid FROM mailbox_messages WHERE folder = ? ORDER BY sent, uid LIMIT ?`
	sqlBySentReverse = `SELECT uid FROM mailbox_messages WHERE folder = ? ORDER BY sent DESC, uid LIMIT ?`

	sqlBlocks      = `SELECT block, uids FROM mailbox_blocks WHERE folder = ? ORDER BY block`
	sqlPutBlock    = `INSERT INTO mailbox_blocks (folder, block, uids) VALUES (?, ?, ?) ON CONFLICT (folder, block) DO UPDATE SET uids = excluded.uids`
	sqlDeleteBlock = `DELETE FROM mailbox_blocks WHERE folder = ? AND block = ?`

	sqlInsertExpunged = `INSERT INTO mailbox_expunged (folder, modseq, day, uids) VALUES (?, ?, ?, ?)`
	sqlExpunged       = `SELECT uids FROM mailbox_expunged WHERE folder = ? AND modseq > ?`

	objectColumns   = `id, segment, start, size, sent, thread, record`
	sqlInsertObject = `INSERT INTO mailbox_objects (refs, ` + objectColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	sqlObject       = `SELECT ` + objectColumns + ` FROM mailbox_objects WHERE id = ?`
	sqlSomeObjects  = `SELECT ` + objectColumns + ` FROM mailbox_objects WHERE id IN (` + someMarks + `)`
	sqlObjectIDs    = `SELECT id FROM mailbox_objects WHERE id > ? ORDER BY id LIMIT ?`
	sqlRefer        = `UPDATE mailbox_objects SET refs = refs + ? WHERE id = ?`
	sqlUnreferred   = `SELECT id, segment, start, size FROM mailbox_objects WHERE refs <= 0 AND id IN (` + someMarks + `)`
	sqlDeleteObject = `DELETE FROM mailbox_objects WHERE id = ?`

	sqlSegments = `SELECT segment, octets, sum FROM mailbox_segments`
	// sqlSegment adds to a segment's use; the sum is an exclusive or.
	sqlSegment = `INSERT INTO mailbox_segments (segment, octets, sum) VALUES (?, ?, ?)
		ON CONFLICT (segment) DO UPDATE SET octets = mailbox_segments.octets + excluded.octets,
		sum = (mailbox_segments.sum & ~excluded.sum) | (~mailbox_segments.sum & excluded.sum)`
	sqlEmptySegment = `DELETE FROM mailbox_segments WHERE segment = ? AND octets = 0 AND sum = 0`

	sqlInsertEvent  = `INSERT INTO mailbox_events (seq, object, removed) VALUES (?, ?, ?)`
	sqlEvents       = `SELECT seq, object, removed FROM mailbox_events WHERE seq > ? ORDER BY seq LIMIT ?`
	sqlForgetEvents = `DELETE FROM mailbox_events WHERE seq <= ? AND seq > ?`

	sqlKey   = `INSERT INTO mailbox_keys (key, day) VALUES (?, ?) ON CONFLICT (key) DO NOTHING`
	sqlKnown = `SELECT COUNT(*) FROM mailbox_keys WHERE key = ?`
)

// some is how many ids a statement asks for at once; fewer are filled up.
const some = 64

const someMarks = `?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ` +
	`?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?`

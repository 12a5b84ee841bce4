package learned

// migrations make the tables. Steps that were released do not change.
//
// Counts that decay are kept as they would be at the epoch (see decay.go), so that
// adding needs no reading.
var migrations = []string{
	`
CREATE TABLE learned_state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
CREATE TABLE learned_lessons (
	id INTEGER PRIMARY KEY,
	username TEXT NOT NULL,
	domain TEXT NOT NULL,
	message TEXT NOT NULL,
	source TEXT NOT NULL,
	spam INTEGER NOT NULL,
	at INTEGER NOT NULL,
	undoes INTEGER NOT NULL,
	live INTEGER NOT NULL,
	own REAL NOT NULL,
	shared_domain REAL NOT NULL,
	shared_all REAL NOT NULL,
	sender TEXT NOT NULL,
	vector BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX learned_lessons_live ON learned_lessons (username, message) WHERE live = 1;
CREATE INDEX learned_lessons_user ON learned_lessons (username, id);
CREATE INDEX learned_lessons_undoes ON learned_lessons (undoes) WHERE undoes > 0;
CREATE INDEX learned_lessons_at ON learned_lessons (at);
CREATE TABLE learned_digests (band INTEGER NOT NULL, lesson INTEGER NOT NULL, PRIMARY KEY (band, lesson)) STRICT, WITHOUT ROWID;
CREATE INDEX learned_digests_lesson ON learned_digests (lesson);
CREATE TABLE learned_layers (name TEXT PRIMARY KEY, applied INTEGER NOT NULL, base TEXT NOT NULL, used INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
CREATE TABLE learned_steps (lesson INTEGER NOT NULL, layer TEXT NOT NULL, step BLOB NOT NULL, PRIMARY KEY (lesson, layer)) STRICT, WITHOUT ROWID;
CREATE TABLE learned_teachers (
	username TEXT PRIMARY KEY,
	day INTEGER NOT NULL,
	today INTEGER NOT NULL,
	agreed REAL NOT NULL,
	contradicted REAL NOT NULL,
	spent_domain REAL NOT NULL,
	spent_all REAL NOT NULL
) STRICT;
CREATE TABLE learned_reputation (
	name TEXT PRIMARY KEY,
	first INTEGER NOT NULL,
	last INTEGER NOT NULL,
	n INTEGER NOT NULL,
	ham REAL NOT NULL,
	spam REAL NOT NULL,
	good REAL NOT NULL,
	bad REAL NOT NULL,
	replies REAL NOT NULL
) STRICT;
CREATE INDEX learned_reputation_last ON learned_reputation (last);
CREATE TABLE learned_contacts (
	username TEXT NOT NULL,
	address TEXT NOT NULL,
	first INTEGER NOT NULL,
	last INTEGER NOT NULL,
	n INTEGER NOT NULL,
	PRIMARY KEY (username, address)
) STRICT;
CREATE INDEX learned_contacts_last ON learned_contacts (username, last);
CREATE TABLE learned_sent (message INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT;
CREATE INDEX learned_sent_at ON learned_sent (at);
CREATE TABLE learned_samples (spam INTEGER NOT NULL, slot INTEGER NOT NULL, at INTEGER NOT NULL, score REAL NOT NULL, PRIMARY KEY (spam, slot)) STRICT;
CREATE TABLE learned_scores (kind TEXT NOT NULL, bin INTEGER NOT NULL, n REAL NOT NULL, PRIMARY KEY (kind, bin)) STRICT`,
	// Lessons of before counted fully in the reputation, whoever taught them.
	`ALTER TABLE learned_lessons ADD COLUMN voice REAL NOT NULL DEFAULT 1`,
	// What a lesson is about, whether it speaks of it or another lesson of its user
	// does; what it made of its user's trust; the first lesson that is in a row
	// of the reputation, since rows are forgotten and begin anew; and who is in
	// the sample.
	`
ALTER TABLE learned_lessons ADD COLUMN about TEXT NOT NULL DEFAULT '';
UPDATE learned_lessons SET about = sender;
ALTER TABLE learned_lessons ADD COLUMN judged REAL NOT NULL DEFAULT 0;
ALTER TABLE learned_reputation ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
UPDATE learned_reputation SET since = 1 WHERE good > 0 OR bad > 0;
UPDATE learned_reputation SET good = 0 WHERE good < 0;
UPDATE learned_reputation SET bad = 0 WHERE bad < 0;
ALTER TABLE learned_samples ADD COLUMN sender INTEGER NOT NULL DEFAULT 0;
ALTER TABLE learned_samples ADD COLUMN teller INTEGER NOT NULL DEFAULT 0`,
	// Probabilities were another form of scores.
	`
ALTER TABLE learned_samples ADD COLUMN odds REAL NOT NULL DEFAULT 0;
UPDATE learned_samples SET odds = 0.8 * score`,
}

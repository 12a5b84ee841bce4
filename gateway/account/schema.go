package account

// migrations make the tables. Steps that were released do not change.
var migrations = []string{
	`CREATE TABLE account_secrets (
	name TEXT PRIMARY KEY,
	value BLOB NOT NULL
);
CREATE TABLE account_users (
	name TEXT PRIMARY KEY,
	display TEXT NOT NULL,
	disabled INTEGER NOT NULL,
	created INTEGER NOT NULL
);
CREATE TABLE account_credentials (
	username TEXT NOT NULL,
	name TEXT NOT NULL,
	verifier TEXT NOT NULL,
	scope TEXT NOT NULL,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	PRIMARY KEY (username, name)
);
CREATE TABLE account_aliases (
	address TEXT NOT NULL,
	position INTEGER NOT NULL,
	target TEXT NOT NULL,
	name TEXT NOT NULL,
	PRIMARY KEY (address, position)
);
CREATE INDEX account_aliases_name ON account_aliases (name);
CREATE TABLE account_grants (
	username TEXT NOT NULL,
	pattern TEXT NOT NULL,
	PRIMARY KEY (username, pattern)
);
CREATE TABLE account_bans (
	subject TEXT PRIMARY KEY,
	until INTEGER NOT NULL,
	count INTEGER NOT NULL
);
CREATE TABLE account_networks (
	username TEXT NOT NULL,
	network TEXT NOT NULL,
	seen INTEGER NOT NULL,
	PRIMARY KEY (username, network)
);`,
}

// Package sqldb keeps rows durably, in SQLite or in PostgreSQL.
//
// SQL is written once, for both. What a component must keep to:
//
//   - Statements are what both understand: `?` placeholders, ON CONFLICT,
//     RETURNING, common table expressions, partial indexes. No PRAGMA, no
//     rowid, no functions of one of them. LIKE tells upper from lower case, and
//     TEXT sorts by its bytes, on both.
//   - Migration steps use the column types INTEGER (64 bits), REAL, TEXT and
//     BLOB, and `INTEGER PRIMARY KEY` for a key that the database numbers where
//     an INSERT leaves it out; sqldb translates them for PostgreSQL, and drops
//     STRICT and WITHOUT ROWID there. Booleans and times are INTEGER.
//   - TEXT is UTF-8 without NUL, or the statement fails; octets that strangers
//     chose are BLOB.
//   - A statement that failed, by a constraint for instance, undoes the whole
//     Write that it is in: use ON CONFLICT where a conflict is expected.
//
// Tables are named component_*.
package sqldb

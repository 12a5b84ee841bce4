// Package sieved is a ManageSieve server (RFC 5804), by which users keep their
// Sieve scripts: one file for each command. A script is compiled before it is
// taken.
package sieved

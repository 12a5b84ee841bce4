package account

// Options of Accounts.
type Options struct{}

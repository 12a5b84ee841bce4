package main

import "github.com/gapura-mail/gapura/gateway/queue"

type queueRetry struct{ queueKeys }

// Help is printed below the flags.
func (*queueRetry) Help() string {
	return `Tries messages at once that wait for their next attempt; a destination that is
left alone because it was down is tried again too. What is held, or was sent to
leave later, stays. Prints how many there were.

Examples:
  gapura queue retry 01K2ZB0C9WVMD3F4S4Q3S5E7TN
  gapura queue retry --domain example.com`
}

// Run implements the command.
func (c *queueRetry) Run(a *app) error { return a.act(&c.queueKeys, queue.Retry, "") }

type queueHold struct {
	queueKeys
	Because string `default:"held by an administrator" help:"Why, for whoever lists them."`
}

// Help is printed below the flags.
func (*queueHold) Help() string {
	return `Keeps messages until they are released; they do not grow old meanwhile. Those that
are just being tried are kept if that does not succeed.

Examples:
  gapura queue hold --user ana@example.org --because "looks like a stolen password"
  gapura queue hold --from news@example.org --lane bulk`
}

// Run implements the command.
func (c *queueHold) Run(a *app) error { return a.act(&c.queueKeys, queue.Hold, c.Because) }

type queueRelease struct{ queueKeys }

// Help is printed below the flags.
func (*queueRelease) Help() string {
	return `Lets messages go that an administrator, the policy or a quota holds.

Examples:
  gapura queue release 01K2ZB0C9WVMD3F4S4Q3S5E7TN
  gapura queue release --user ana@example.org`
}

// Run implements the command.
func (c *queueRelease) Run(a *app) error { return a.act(&c.queueKeys, queue.Release, "") }

type queueRemove struct{ queueKeys }

// Help is printed below the flags.
func (*queueRemove) Help() string {
	return `Takes messages out of the queue for good; neither sender nor recipient is told.
Those that are just being tried are removed if that does not succeed.

Examples:
  gapura queue remove 01K2ZB0C9WVMD3F4S4Q3S5E7TN
  gapura queue remove --from spammer@example.org --state held`
}

// Run implements the command.
func (c *queueRemove) Run(a *app) error { return a.act(&c.queueKeys, queue.Remove, "") }

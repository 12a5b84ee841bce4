package main

// userCmd is `gapura user`; each command is a file of its own.
type userCmd struct {
	Add         userAdd        `cmd:"" help:"Add a user."`
	Passwd      userPasswd     `cmd:"" help:"Set a user's password."`
	List        userList       `cmd:"" help:"List the users."`
	Show        userShow       `cmd:"" help:"Show a user: app passwords, aliases, what it may send from."`
	Remove      userRemove     `cmd:"" help:"Remove a user with its credentials and aliases."`
	Disable     userDisable    `cmd:"" help:"Let a user log in no more."`
	Enable      userEnable     `cmd:"" help:"Let a user log in again."`
	AppPassword appPasswordCmd `cmd:"" name:"app-password" help:"Passwords of single programs and devices."`
	SendAs      sendAsCmd      `cmd:"" name:"send-as" help:"Addresses that a user may send from though they are not its own."`
	Bans        userBans       `cmd:"" help:"Show who is banned after wrong guesses, and lift bans."`
}

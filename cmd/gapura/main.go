// Command gapura is the mail gateway and all of its tools.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/gapura-mail/gapura/gateway/blob"
	"github.com/gapura-mail/gapura/gateway/cores"
)

// cli is the command line: global flags and one field for each command, which
// has its type in a file of its own.
type cli struct {
	ConfigFile string           `name:"config" short:"c" default:"gapura.yaml" placeholder:"FILE" help:"Configuration file."`
	JSON       bool             `name:"json" help:"Print data as JSON."`
	Version    kong.VersionFlag `help:"Print the version and exit."`

	// Commands, in the order of the help.
	Serve      serveCmd      `cmd:"" help:"Run the gateway."`
	Reload     reloadCmd     `cmd:"" help:"Make the running gateway read its configuration again."`
	Verify     verifyCmd     `cmd:"" help:"SPF, DKIM, ARC and DMARC of one message."`
	Explain    explainCmd    `cmd:"" help:"Run filters and policy on one message and tell why."`
	User       userCmd       `cmd:"" help:"Users, their passwords, and bans of who guesses them."`
	Alias      aliasCmd      `cmd:"" help:"Addresses that lead to users or elsewhere."`
	Mailbox    mailboxCmd    `cmd:"" help:"Mail that is kept here: folders, quota, removal."`
	Config     configCmd     `cmd:"" name:"config" help:"Check and explain the configuration."`
	Sink       sinkCmd       `cmd:"" help:"Run a server that files or drops what it gets."`
	Check      checkCmd      `cmd:"" help:"One check by itself, for diagnosis."`
	Sign       signCmd       `cmd:"" help:"A signature for one message."`
	Parse      parseCmd      `cmd:"" help:"What a message, or a report in one, says."`
	Sieve      sieveCmd      `cmd:"" help:"Sieve scripts: checks and tests."`
	DKIM       dkimCmd       `cmd:"" name:"dkim" help:"The keys that our mail is signed with."`
	Domain     domainCmd     `cmd:"" help:"What a domain needs to send and receive mail."`
	Policy     policyCmd     `cmd:"" help:"The built-in policy, and checks of your own."`
	Queue      queueCmd      `cmd:"" help:"Mail that waits to be delivered."`
	Quarantine quarantineCmd `cmd:"" help:"Mail that is kept apart until it is released."`
	Outbound   outboundCmd   `cmd:"" help:"How mail leaves for other servers."`
	Suppress   suppressCmd   `cmd:"" help:"Addresses that are not to be written to."`
	Quota      quotaCmd      `cmd:"" help:"How much users, domains and clients have sent, and who is held."`
	Import     importCmd     `cmd:"" help:"Bring mail from elsewhere into a mailbox."`
	Export     exportCmd     `cmd:"" help:"Write a copy of a mailbox, for other programs."`
	Backup     backupCmd     `cmd:"" help:"Copy everything, while the gateway runs."`
	Restore    restoreCmd    `cmd:"" help:"Bring a backup back."`
	Plugin     pluginCmd     `cmd:"" help:"Filters in processes of their own."`
	Spam       spamCmd       `cmd:"" help:"The spam filter: teach it, try it, ask it why."`
}

// app is what every command's Run gets: where to read and write, and the
// global flags.
type app struct {
	ctx    context.Context // ends at SIGINT or SIGTERM
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	config string
	json   bool
}

// errNo ends a command with exit code 1 without a message: the answer, already
// printed, is no.
var errNo = errors.New("no")

// usageError is a wrong use of a command that the parser could not see; exit
// code 2.
type usageError struct{ error }

// print writes v as JSON where --json was given, else calls text.
func (a *app) print(v any, text func(w io.Writer)) error {
	if !a.json {
		text(a.stdout)
		return nil
	}
	e := json.NewEncoder(a.stdout)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// openMessage opens the message file called name, "-" for standard input.
func (a *app) openMessage(name string) (io.ReadCloser, error) {
	if name == "-" || name == "" {
		return a.openStdin(), nil
	}
	return openFile(a.ctx, name)
}

func main() {
	if slices.Contains(os.Args[1:], "serve") {
		cores.StayAwake() // a signal that is caught already would be lost
	}
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the whole program; it returns the exit code: 0 done, 1 it failed or
// the answer is no, 2 bad usage.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // who asks again does not wait
	var c cli
	exit := -1
	parser, err := kong.New(&c,
		kong.Name("gapura"),
		kong.Description("Gapura is an edge mail gateway: it judges mail while it streams in and hands it over."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = code }),
		kong.Vars{"version": version()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "gapura: "+err.Error())
		return 1
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(joinNumbers(args))
	if exit >= 0 { // --help or --version has printed
		return exit
	}
	if err != nil {
		fmt.Fprintf(stderr, "gapura: %v; %s\n", err, usageHint(err))
		return 2
	}
	out := &output{w: stdout}
	a := &app{ctx: ctx, stdin: stdin, stdout: out, stderr: stderr, config: c.ConfigFile, json: c.JSON}
	err = k.Run(a)
	if lost := out.failed(); lost != nil && (err == nil || errors.Is(err, errNo)) {
		err = fmt.Errorf("standard output: %w", lost)
	}
	return exitCode(err, stderr)
}

// joinNumbers joins numbers below zero to the flags before them: alone they would
// be flags.
func joinNumbers(args []string) (list []string) {
	for _, s := range args {
		last := len(list) - 1
		if _, err := strconv.ParseFloat(s, 64); err == nil && s[0] == '-' && last >= 0 {
			flag := list[last]
			switch long := strings.HasPrefix(flag, "--"); {
			case long && len(flag) > 2 && !strings.Contains(flag, "="):
				list[last] += "=" + s
				continue
			case !long && len(flag) == 2 && flag[0] == '-':
				list[last] += s
				continue
			}
		}
		list = append(list, s)
	}
	return list
}

// usageHint says where to read on: at the command as far as it was understood.
func usageHint(err error) string {
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		if node := parse.Context.Selected(); node != nil && !strings.Contains(err.Error(), "did you mean") {
			return fmt.Sprintf("`gapura %s --help` tells more", node.Path())
		}
	}
	return "`gapura --help` lists the commands"
}

// exitCode prints err, one line for each error, and returns the exit code.
func exitCode(err error, stderr io.Writer) int {
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errNo):
		return 1
	case errors.As(err, &usage):
		fmt.Fprintln(stderr, "gapura: "+err.Error())
		return 2
	}
	text := err.Error() + hintFor(err)
	if errors.Is(err, context.Canceled) { // by Ctrl-C
		text = strings.ReplaceAll(text, context.Canceled.Error(), "interrupted")
	}
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintln(stderr, "gapura: "+line)
	}
	return 1
}

// hintFor says what to do about errors of the machine, "" where that is not
// known.
func hintFor(err error) string {
	switch text := err.Error(); {
	case errors.Is(err, blob.ErrInUse):
		return " (another gateway runs on this data folder, or is just starting or ending)"
	case errors.Is(err, fs.ErrPermission) && strings.Contains(text, "sqldb: "), strings.Contains(text, "readonly database"):
		return " (the data folder belongs to the user that the gateway runs as: sudo -u gapura gapura ...)"
	case strings.Contains(text, "disk I/O error"):
		return " (is the disk full? df tells)"
	}
	return ""
}

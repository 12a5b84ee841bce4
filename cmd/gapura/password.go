package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/gapura-mail/gapura/gateway/account"
)

// passwordFlags are those of commands that set a password.
type passwordFlags struct {
	PasswordStdin bool `name:"password-stdin" help:"Read the password from the first line of standard input."`
	Generate      bool `help:"Make a password and print it, without asking."`
	Force         bool `help:"Take a weak password."`
}

// maxPasswordLine bounds what is read.
const maxPasswordLine = 4096

// password returns the password to set for a user: read, typed, or generated
// where nobody is there to type one; and what is to be printed of it.
func (f *passwordFlags) password(a *app, user string) (out userAdded, password string, err error) {
	out.Name = user
	if f.PasswordStdin && f.Generate {
		return out, "", usageError{errors.New("--password-stdin and --generate exclude each other")}
	}
	fd, typed := terminal(a.stdin)
	switch {
	case f.PasswordStdin:
		password, err = firstLine(a.stdin)
	case f.Generate || !typed:
		out.Password = account.GeneratePassword()
		return out, out.Password, nil
	default:
		password, err = typePassword(a, fd)
	}
	if err == nil && !f.Force {
		err = account.CheckPassword(user, password)
	}
	return out, password, err
}

// firstLine reads a line without its end.
func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxPasswordLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if line == "" {
		return "", errors.New("there is no password on standard input")
	}
	return line, nil
}

// terminal tells whether somebody types what is read.
func terminal(r io.Reader) (fd int, ok bool) {
	f, ok := r.(*os.File)
	if !ok {
		return 0, false
	}
	return int(f.Fd()), term.IsTerminal(int(f.Fd()))
}

// askSecret asks for what must not be seen.
func askSecret(a *app, fd int, prompt string) (string, error) {
	fmt.Fprint(a.stderr, prompt)
	defer fmt.Fprintln(a.stderr)
	b, err := term.ReadPassword(fd)
	return string(b), err
}

// typePassword asks twice.
func typePassword(a *app, fd int) (string, error) {
	one, err := askSecret(a, fd, "Password: ")
	if err != nil {
		return "", err
	}
	two, err := askSecret(a, fd, "Again: ")
	if err == nil && one != two {
		err = errors.New("the two differ; nothing is changed")
	}
	return one, err
}

package plugins

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Defaults of Options.
const (
	DefaultMaxConcurrent = 64
	DefaultStartTimeout  = 10 * time.Second
	DefaultMemory        = 512 << 20
	DefaultFiles         = 256
)

// Options configure one plugin.
type Options struct {
	// Name of the filter, and prefix of its facts.
	Name string `yaml:"name"`
	// Program and arguments. A relative path counts from dir; a name without
	// a slash is looked up in PATH.
	Command []string `yaml:"command"`
	// SHA-256 of the program, in hex: what runs is what was checked. Without
	// it, whatever lies at the path is run.
	SHA256 string `yaml:"sha256"`
	// Environment. The gateway's own is not passed on.
	Env map[string]string `yaml:"env"`
	// Working directory. Default: the configuration file's folder.
	Dir string `yaml:"dir"`
	// What the process may use.
	Limits Limits `yaml:"limits"`
	// Questions under way at the same time; others wait.
	MaxConcurrent int `yaml:"max_concurrent"`
	// Time that it may take to start.
	StartTimeout time.Duration `yaml:"start_timeout"`
}

// Limits bound what a plugin's process may use.
type Limits struct {
	// Octets of memory that it may write to.
	Memory int64 `yaml:"memory"`
	// Open files.
	Files int `yaml:"files"`
}

// anyName stands for the name that the plugin gives itself.
const anyName = "*"

var validName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// Validate tells what is wrong with o; it starts nothing.
func (o Options) Validate() error {
	if !validName.MatchString(o.Name) {
		return fmt.Errorf("plugins: name %q: use a letter and up to 31 letters, digits and underscores, all lower case", o.Name)
	}
	return o.validate()
}

// validate is Validate but for the name.
func (o Options) validate() error {
	switch {
	case len(o.Command) == 0 || o.Command[0] == "":
		return fmt.Errorf("plugins: %s has no command", o.Name)
	case o.MaxConcurrent < 0 || o.StartTimeout < 0 || o.Limits.Memory < 0 || o.Limits.Files < 0:
		return fmt.Errorf("plugins: %s: a limit is negative", o.Name)
	}
	for k, v := range o.Env {
		if k == "" || strings.ContainsAny(k, "=\x00") || strings.Contains(v, "\x00") {
			return fmt.Errorf("plugins: %s: environment variable %q is not possible", o.Name, k)
		}
	}
	_, err := o.sum()
	return err
}

// sum is the program's expected hash; nil: not configured.
func (o Options) sum() ([]byte, error) {
	if o.SHA256 == "" {
		return nil, nil
	}
	sum, err := hex.DecodeString(o.SHA256)
	if err != nil || len(sum) != 32 {
		return nil, fmt.Errorf("plugins: %s: sha256 needs 64 hexadecimal digits", o.Name)
	}
	return sum, nil
}

// DefaultOptions returns the default of every option; name and command have
// none.
func DefaultOptions() Options {
	return Options{
		MaxConcurrent: DefaultMaxConcurrent, StartTimeout: DefaultStartTimeout,
		Limits: Limits{Memory: DefaultMemory, Files: DefaultFiles},
	}
}

func (o Options) withDefaults() Options {
	d := DefaultOptions()
	o.MaxConcurrent = cmp.Or(o.MaxConcurrent, d.MaxConcurrent)
	o.StartTimeout = cmp.Or(o.StartTimeout, d.StartTimeout)
	o.Limits.Memory = cmp.Or(o.Limits.Memory, d.Limits.Memory)
	o.Limits.Files = cmp.Or(o.Limits.Files, d.Limits.Files)
	return o
}

// program is the absolute path of the command.
func (o Options) program() (string, error) {
	name := o.Command[0]
	switch {
	case !strings.Contains(name, "/"):
		path, err := exec.LookPath(name)
		if err != nil && !errors.Is(err, exec.ErrDot) {
			return "", err
		}
		name = path
	case !filepath.IsAbs(name):
		name = filepath.Join(o.Dir, name)
	}
	return filepath.Abs(name)
}

// environ is what the process gets besides go-plugin's own variables.
func (o Options) environ(tmp string) []string {
	env := []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"TMPDIR=" + tmp,
	}
	for k, v := range o.Env {
		env = append(env, k+"="+v)
	}
	return env
}

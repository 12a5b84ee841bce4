package sieve

import (
	"slices"
	"time"
)

// Options are what the admin says about scripts. Zero values become those of
// DefaultOptions.
type Options struct {
	// Extensions that scripts may use, of those that Gapura has. Default: all.
	Extensions []string `yaml:"extensions"`
	// Octets of a script.
	ScriptSize int `yaml:"script_size"`
	// What one run may cost in steps: a step for each command and test, and
	// for each 64 octets looked at; regular expressions cost more.
	Steps int `yaml:"steps"`
	// How long one run may take.
	Time time.Duration `yaml:"time"`
	// Octets of all variables of a run together.
	Variables int `yaml:"variables"`
	// Octets of one variable; what is longer is cut.
	VariableSize int `yaml:"variable_size"`
	// Octets of decoded text of a message that body tests look at.
	Body int `yaml:"body"`
	// Actions of one run.
	Actions int `yaml:"actions"`
	// Redirects of one run; below 0: none.
	Redirects int `yaml:"redirects"`
	// Notifications of one run; below 0: none.
	Notifications int `yaml:"notifications"`
	// Scripts included by each other, one within the other.
	IncludeDepth int `yaml:"include_depth"`
	// Scripts included in one run, all together.
	Includes int `yaml:"includes"`
	// The shortest time between two vacation replies to the same sender.
	VacationMin time.Duration `yaml:"vacation_min"`
	// The time between two vacation replies where the script does not say.
	VacationDefault time.Duration `yaml:"vacation_default"`
	// The longest time between two vacation replies.
	VacationMax time.Duration `yaml:"vacation_max"`
	// Characters between user and detail in an address.
	Separators string `yaml:"separators"`
}

// DefaultOptions returns the default of every option.
func DefaultOptions() Options {
	return Options{
		ScriptSize: 1 << 20, Steps: 3_000_000, Time: 10 * time.Second,
		Variables: 1 << 20, VariableSize: 64 << 10, Body: 4 << 20,
		Actions: 32, Redirects: 4, Notifications: 10,
		IncludeDepth: 10, Includes: 100,
		VacationMin: 24 * time.Hour, VacationDefault: 7 * 24 * time.Hour, VacationMax: 90 * 24 * time.Hour,
		Separators: "+",
	}
}

func (o Options) withDefaults() Options {
	d := DefaultOptions()
	set(&o.ScriptSize, d.ScriptSize)
	set(&o.Steps, d.Steps)
	set(&o.Time, d.Time)
	set(&o.Variables, d.Variables)
	set(&o.VariableSize, d.VariableSize)
	set(&o.Body, d.Body)
	set(&o.Actions, d.Actions)
	set(&o.Redirects, d.Redirects)
	set(&o.Notifications, d.Notifications)
	set(&o.IncludeDepth, d.IncludeDepth)
	set(&o.Includes, d.Includes)
	set(&o.VacationMin, d.VacationMin)
	set(&o.VacationDefault, d.VacationDefault)
	set(&o.VacationMax, d.VacationMax)
	if o.Separators == "" {
		o.Separators = d.Separators
	}
	return o
}

func set[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// offers tells whether scripts may use the extension.
func (o *Options) offers(ext string) bool {
	return len(o.Extensions) == 0 || slices.Contains(o.Extensions, ext)
}

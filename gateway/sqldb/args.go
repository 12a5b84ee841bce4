package sqldb

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

var (
	errText = errors.New("sqldb: text that is not UTF-8 or has a NUL: keep it in a BLOB")
	errTime = errors.New("sqldb: a time is kept as an INTEGER")
)

// arguments makes the databases take the same: text is UTF-8 without NUL,
// booleans are numbers. It changes a copy.
func arguments(args []any) ([]any, error) {
	copied := false
	for i, a := range args {
		b, err := argument(a)
		if err != nil {
			return nil, fmt.Errorf("%w (argument %d)", err, i+1)
		}
		if !changed(a) {
			continue
		}
		if !copied {
			args, copied = slices.Clone(args), true
		}
		args[i] = b
	}
	return args, nil
}

// changed tells whether argument makes another value of a.
func changed(a any) bool {
	switch a.(type) {
	case nil, int64, int, string, []byte, float64:
		return false
	}
	return true
}

func argument(a any) (any, error) {
	switch v := a.(type) {
	case nil, int64, int, []byte, float64:
		return a, nil
	case string:
		return a, text(v)
	case time.Time:
		return nil, errTime
	}
	v, err := driver.DefaultParameterConverter.ConvertValue(a)
	if err != nil {
		return nil, fmt.Errorf("sqldb: %w", err)
	}
	switch v := v.(type) {
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case string:
		return v, text(v)
	case time.Time:
		return nil, errTime
	}
	if rv := reflect.ValueOf(v); rv.IsValid() && rv.Kind() == reflect.Slice && rv.IsNil() {
		return nil, nil
	}
	return v, nil
}

func text(s string) error {
	if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
		return errText
	}
	return nil
}

// Marks is "?, ?, ?" with n marks, for IN (...).
func Marks(n int) string {
	if n <= 0 {
		return ""
	}
	return strings.Repeat("?, ", n-1) + "?"
}

package body

import "os"

// unnamed makes a file and takes its name away: what systems and file systems
// get that cannot make one without. A crash in between leaves an empty file.
func unnamed(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "spool-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

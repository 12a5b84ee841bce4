package attachment

import (
	"bytes"
	"io"
)

// utf16 returns an ASCII name as the directory of an OLE file has it.
func utf16(s string) []byte {
	b := make([]byte, 0, 2*len(s))
	for i := range len(s) {
		b = append(b, s[i], 0)
	}
	return b
}

// Names of storages and streams in OLE files (MS-CFB) that tell what they are.
var (
	oleVBA       = [][]byte{utf16("_VBA_PROJECT"), utf16("VBA\x00"), utf16("Macros\x00")}
	oleEncrypted = [][]byte{utf16("EncryptedPackage"), utf16("EncryptionInfo"), utf16("EncryptedSummary")}
	// oleMSI is the class of Windows Installer packages.
	oleMSI = []byte{0x84, 0x10, 0x0c, 0x00, 0x00, 0x00, 0x00, 0x00, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x46}
)

// scanOLE looks through an OLE file for names of its directory, wherever they
// are: the chains of sectors could be made to lead astray.
func scanOLE(r io.Reader, e *Entry) error {
	const overlap = 128
	buf := make([]byte, overlap+64<<10)
	kept := 0
	for {
		n, err := io.ReadFull(r, buf[kept:])
		w := buf[:kept+n]
		for _, name := range oleVBA {
			if bytes.Contains(w, name) {
				e.Macro = true
			}
		}
		for _, name := range oleEncrypted {
			if bytes.Contains(w, name) {
				e.Encrypted = true
			}
		}
		if bytes.Contains(w, oleMSI) {
			e.Executable = true
			e.add(kindInstaller)
		}
		e.Macro = e.Macro || macroSheet(w)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return err
		}
		kept = copy(buf, w[len(w)-overlap:])
	}
	if e.Macro {
		e.add(kindMacro)
	}
	return nil
}

// macroSheet finds the record of a sheet of Excel 4.0 macros (MS-XLS section
// 2.4.28): type, length, offset, visibility, kind of sheet, name.
func macroSheet(w []byte) bool {
	for {
		i := bytes.Index(w, []byte{0x85, 0x00})
		if i < 0 || len(w)-i < 12 {
			return false
		}
		r := w[i:]
		length, chars := int(r[2]), int(r[10])
		if r[3] == 0 && r[8] <= 2 && r[9] == 1 && chars > 0 && r[11] <= 1 && length == 8+chars*(1+int(r[11])) {
			return true
		}
		w = w[i+2:]
	}
}

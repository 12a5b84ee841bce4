package attachment

import (
	"path"
	"strings"
	"unicode"
)

// Kinds of files.
const (
	kindArchive    = "archive"
	kindDiskImage  = "disk-image"
	kindDocument   = "document"
	kindExecutable = "executable"
	kindHTML       = "html"
	kindImage      = "image"
	kindInstaller  = "installer"
	kindMacro      = "macro"
	kindScript     = "script"
	kindShortcut   = "shortcut"
)

// runs tells whether a file of the kind runs when it is opened.
func runs(kind string) bool {
	switch kind {
	case kindExecutable, kindInstaller, kindScript, kindShortcut:
		return true
	}
	return false
}

// extensions lists the endings of each kind: those that Outlook and Gmail
// block among them, but not source code that no desktop runs by itself.
var extensions = map[string]string{
	kindExecutable: "exe dll scr com pif cpl ocx sys drv ax efi xll wll elf dylib app apk ipa jar class jnlp gadget mcl msh1 vxd",
	kindInstaller:  "msi msp mst msix msixbundle appx appxbundle appinstaller application appref-ms pkg xpi crx vsix",
	kindScript: "js jse mjs vbs vbe vb vba bat btm cmd ps1 ps1xml ps2 ps2xml psc1 psc2 psd1 psm1 psdm1 cdxml wsf wsh wsc ws sct hta " +
		"reg inf scf pyc pyo pyw pyz pyzw applescript scpt command workflow action " +
		"job paf prg mad maf mag mam maq mar mas mat mau mav maw mda mdb mde mdt mdw mdz accde accda ade adp adn " +
		"chm hlp mhp msc xbap xnk settingcontent-ms theme themepack desktopthemepackfile diagcab search-ms searchconnector-ms library-ms slk iqy rqy oqy one onepkg wsb",
	kindShortcut:  "lnk url webloc desktop website inetloc",
	kindDiskImage: "iso img vhd vhdx dmg udf wim vmdk toast mdf nrg cue",
	kindArchive: "zip rar 7z gz tgz bz2 tbz tbz2 xz txz tar z lz lzma zst cab arj ace lha lzh zipx " +
		"r00 r01 001 uue b64 alz egg cpio xar",
	kindHTML:     "htm html xhtml shtml xht mht mhtml svg svgz",
	kindDocument: "pdf doc docx docm dot dotx dotm xls xlsx xlsm xlsb xlt xltx xltm xlam xla ppt pptx pptm pot potx potm pps ppsx ppsm ppam rtf odt ods odp csv txt ics vcf",
	kindImage:    "jpg jpeg png gif bmp tif tiff webp heic ico",
	kindMacro:    "docm dotm xlsm xltm xlam xla pptm potm ppsm ppam sldm",
}

// byExtension is extensions the other way round.
var byExtension = func() map[string]string {
	m := map[string]string{}
	for _, kind := range []string{
		kindExecutable, kindInstaller, kindScript, kindShortcut, kindDiskImage, kindArchive, kindHTML, kindDocument, kindImage,
	} {
		for ext := range strings.FieldsSeq(extensions[kind]) {
			m[ext] = kind
		}
	}
	return m
}()

// ending returns the ending of a file name as a desktop takes it: what trails
// and is not seen does not count, nor does an alternate data stream.
func ending(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	name, _, _ = strings.Cut(name, "\x00")
	if i := strings.IndexByte(name, ':'); i > 1 {
		name = name[:i]
	}
	name = strings.Map(visible, name)
	name = strings.TrimRight(name, ". ")
	if i := strings.LastIndexByte(name, '.'); i >= 0 && len(name)-i <= 32 {
		return strings.ToLower(name[i+1:])
	}
	return ""
}

// visible drops characters that are not shown.
func visible(r rune) rune {
	if unicode.Is(unicode.Cf, r) || unicode.IsControl(r) {
		return -1
	}
	if unicode.IsSpace(r) {
		return ' '
	}
	return r
}

// deceptive tells whether a name is made to look like another.
func deceptive(name string) bool {
	for _, r := range name {
		switch {
		case r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f: // direction
			return true
		case r == 0x200b, r == 0x2060, r == 0xfeff, r == 0x00ad: // not shown
			return true
		case r < ' ' && r != '\t' && r != '\r' && r != '\n':
			return true
		}
	}
	base := path.Base(strings.ReplaceAll(name, `\`, "/"))
	if strings.Contains(base, "     ") {
		return true
	}
	last := ending(base)
	if !runs(byExtension[last]) && byExtension[last] != kindHTML && byExtension[last] != kindDiskImage {
		return false
	}
	// A second ending that looks harmless: invoice.pdf.exe.
	before := strings.TrimRight(base, ". ")
	before = strings.TrimRight(before[:max(0, strings.LastIndexByte(before, '.'))], ". ")
	switch byExtension[ending(before)] {
	case kindDocument, kindImage:
		return true
	case kindArchive:
		return runs(byExtension[last])
	}
	switch ending(before) {
	case "mp3", "mp4", "avi", "mov", "wav", "jpe":
		return true
	}
	return false
}

// Package attachment is the filter that looks at files: their names, their
// content, and what is in archives. It goes by content and by name, since a
// desktop goes by either. The MIME walk has taken forwarded messages apart
// already (docs/mime.md).
//
// Facts of the message:
//
//	attachment.count       files, those in archives not counted
//	attachment.names       file names; in archives with the path, as a.zip/b/c.exe
//	attachment.types       media types by content
//	attachment.extensions  endings of the names, lower case
//	attachment.kinds       of archive, disk-image, document, executable, html,
//	                       image, installer, macro, script, shortcut
//	attachment.executable  something that runs when it is opened
//	attachment.macro       an office document with macros
//	attachment.encrypted   an archive or document that is encrypted
//	attachment.mismatch    a name that claims another kind of content
//	attachment.deceptive   a name made to deceive: two endings, hidden or reversing characters
//	attachment.limit       a bound kept the filter from seeing everything
//	attachment.bomb        an archive that unpacks to many times its size
//	attachment.unopened    an archive that could not be opened, or of a kind that is not opened
//	attachment.ambiguous   a zip file that programs read in different ways
//	attachment.dangerous   names of what made one of the above true
//
// An example rule:
//
//	rules:
//	  - name: no programs
//	    at: message
//	    if: attachment.executable
//	    then: reject
//	    reply: "550 5.7.1 Programs and scripts are not taken here"
package attachment

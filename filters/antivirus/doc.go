// Package antivirus is the filter that asks clamd, ClamAV's daemon, about the
// whole message as it came, while it arrives, and about its decoded files, also
// those that only another reading of an ambiguous message shows
// (docs/mime.md).
//
// Facts:
//
//	antivirus.result      clean, infected, too_large
//	antivirus.infected    whether anything was found
//	antivirus.virus       its name
//	antivirus.part        the part that has it, "" for the message as it came
//	antivirus.too_large   clamd takes no streams of this length: nothing is known
//	antivirus.daemon      which clamd answered
//
// When no daemon gives an answer the filter fails: antivirus.error is set and
// on_error says whether the message waits. What could not be scanned to its end
// is never clean.
//
// An example rule:
//
//	rules:
//	  - name: virus
//	    at: message
//	    if: antivirus.infected
//	    then: reject
//	    reply: "550 5.7.1 The message contains {antivirus.virus}"
package antivirus

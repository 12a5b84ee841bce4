// Package policy is the administrator's language: rules in YAML whose
// conditions are CEL expressions over the facts that filters found. A *Policy
// is a gateway.Filter, the only one whose dispositions count.
//
//	rules:
//	  - name: infected
//	    at: message
//	    if: antivirus.infected
//	    then: reject
//	    reply: "550 5.7.1 The message carries {antivirus.virus}"
//
// The rules of a stage are asked in the order written. The first that decides
// (accept, reject, defer, discard, quarantine) ends the stage for that recipient; rules
// without a decision add their changes and let the next one speak. Everything
// that can be known before mail comes is checked by Load: names and types of
// facts, the stage at which they are known, codes of replies, header fields.
// docs/policy.md is the reference.
package policy

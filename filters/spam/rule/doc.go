// Package rule finds readable signals in a message: rules in YAML whose
// conditions are CEL, the policy's language, over the message taken apart
// (package anatomy) and the facts of the filters asked before.
//
//	rules:
//	  - name: brand-in-name
//	    group: identity
//	    when: from.foreign_brand != "" && !thread
//	    describe: the name says {from.foreign_brand}, the address is at {from.domain}
//	    weight: 2.5
//	    hits: |
//	      From: PayPal Service <info@pay-check.example>
//	    misses: |
//	      From: PayPal <service@paypal.com>
//
// A hit adds its weight to the score (log-odds: positive is spam) until the
// model has fitted a weight of its own. hits and misses are messages that the
// rule must find and leave alone (one, or a list); see Set.Test for how they
// are abridged. A later file's rule replaces one of the same name.
//
// rules/ has the shipped rules, lists/ the words that they ask for
// (words.urgency > 0), in nine languages. docs/spam.md is the guide; Facts lists
// everything a condition may speak of.
//
// Conditions are compiled twice: CEL checks them and is what they mean; those
// without loops run as plain closures, which is some fifty times as fast. One
// pass over the message works out what the facts need.
package rule

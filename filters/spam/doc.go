// Package spam is the filter that judges whether a message is spam: by what a
// reader sees of it, where its links lead, how it is built, whom it claims to
// come from, and what this installation has learned. docs/spam.md tells more.
//
// Facts:
//
//	spam.score        0: as likely spam as not, of mail like that learned; 5: the threshold
//	spam.probability  that the message is spam, 0 to 1
//	spam.class        ham, unsure, spam; none: nobody looked
//	spam.reasons      what made the score, with weights, the weightiest first
//	spam.rules        names of the rules that the message matches
//	spam.lists        zones of DNS lists that list something in it
//	spam.list_errors  DNS lists that did not answer, or refused to, and why
//	spam.threshold    the score from which on a message is spam
//
// They may differ from recipient to recipient, where a user or a domain has
// taught the filter. The filter does nothing about spam: the policy does.
//
// An example rule, for what is beyond doubt:
//
//	rules:
//	  - name: surely-spam
//	    at: message
//	    if: spam.score >= 15 && spam.probability > 0.9999
//	    then: reject
//	    reply: "550 5.7.1 The message looks like spam"
package spam

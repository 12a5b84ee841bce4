// Package link tells where links lead. It reads targets as browsers and mail
// programs read them, not as an RFC would have them, and knows by lists which
// hosts hide where a link ends: shorteners, open redirectors, click trackers,
// hosts where anyone puts up a page for nothing. It also knows brands, the
// hosts that look like theirs and are not, and finds telephone numbers.
//
// It never asks the network. It is a leaf: it imports nothing of ours.
//
// The lists are small text files under lists/, written from common knowledge;
// each says at its head what it is.
package link

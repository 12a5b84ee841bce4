package mailbox

// Of contents.go, for tests.
var EachObject = (*View).eachObject

// Among is what the search asks of long lists.
var Among = among

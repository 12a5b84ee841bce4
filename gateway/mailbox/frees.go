package mailbox

// freeing is an op that makes room, for which the reserve is.
type freeing struct{ op }

// frees tells of such ops: what people do to get rid of mail.
func frees(o op) bool {
	switch o := o.(type) {
	case freeing, *expunge, *change:
		return true
	case *transfer:
		return o.move
	}
	return false
}

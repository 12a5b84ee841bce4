package queue

// links is the place of a value in a list.
type links[T any] struct{ prev, next T }

// linked is a value that has its place in a list in itself.
type linked[T any] interface {
	comparable
	links() *links[T]
}

// list is a doubly linked list without memory of its own.
type list[T linked[T]] struct{ first, last T }

func (q *destQueue) links() *links[*destQueue] { return &q.link }
func (f *flow) links() *links[*flow]           { return &f.link }

func (l *list[T]) empty() bool { return l.first == *new(T) }

func (l *list[T]) front() T { return l.first }

func (l *list[T]) pushBack(x T) {
	var none T
	*x.links() = links[T]{prev: l.last}
	if l.last == none {
		l.first = x
	} else {
		l.last.links().next = x
	}
	l.last = x
}

func (l *list[T]) remove(x T) {
	var none T
	at := x.links()
	if at.prev == none {
		l.first = at.next
	} else {
		at.prev.links().next = at.next
	}
	if at.next == none {
		l.last = at.prev
	} else {
		at.next.links().prev = at.prev
	}
	*at = links[T]{}
}

package queue

import "math"

// never is a time that does not come.
const never = math.MaxInt64

// backlog knows for each bucket of waiting rows when to look at it next: the
// only thing about what waits that is in memory. Its size does not depend on
// how much waits.
type backlog struct {
	at   []int64  // by bucket
	pos  []int32  // of a bucket in heap, plus 1; 0: not there
	heap []uint32 // buckets, the earliest first
}

func newBacklog() *backlog {
	return &backlog{at: make([]int64, 1<<bucketBits), pos: make([]int32, 1<<bucketBits)}
}

// next returns the bucket to look at first, and when; never: none.
func (b *backlog) next() (bucket uint32, at int64) {
	if len(b.heap) == 0 {
		return 0, never
	}
	return b.heap[0], b.at[b.heap[0]]
}

// time returns when to look at a bucket.
func (b *backlog) time(bucket uint32) int64 {
	if b.pos[bucket] == 0 {
		return never
	}
	return b.at[bucket]
}

// sooner sees to it that bucket is looked at no later than at.
func (b *backlog) sooner(bucket uint32, at int64) {
	if at < b.time(bucket) {
		b.set(bucket, at)
	}
}

// set says when to look at bucket; never takes it out.
func (b *backlog) set(bucket uint32, at int64) {
	i := int(b.pos[bucket]) - 1
	switch {
	case at == never && i < 0:
	case at == never:
		b.delete(i)
	case i < 0:
		b.at[bucket] = at
		b.heap = append(b.heap, bucket)
		b.pos[bucket] = int32(len(b.heap))
		b.up(len(b.heap) - 1)
	default:
		b.at[bucket] = at
		b.up(i)
		b.downward(int(b.pos[bucket]) - 1)
	}
}

func (b *backlog) delete(i int) {
	last := len(b.heap) - 1
	b.swap(i, last)
	b.pos[b.heap[last]] = 0
	b.heap = b.heap[:last]
	if i < last {
		moved := b.heap[i]
		b.up(i)
		b.downward(int(b.pos[moved]) - 1)
	}
}

func (b *backlog) less(i, j int) bool { return b.at[b.heap[i]] < b.at[b.heap[j]] }

func (b *backlog) swap(i, j int) {
	b.heap[i], b.heap[j] = b.heap[j], b.heap[i]
	b.pos[b.heap[i]], b.pos[b.heap[j]] = int32(i+1), int32(j+1)
}

func (b *backlog) up(i int) {
	for i > 0 && b.less(i, (i-1)/2) {
		b.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (b *backlog) downward(i int) {
	for {
		c := 2*i + 1
		if c >= len(b.heap) {
			return
		}
		if c+1 < len(b.heap) && b.less(c+1, c) {
			c++
		}
		if !b.less(c, i) {
			return
		}
		b.swap(i, c)
		i = c
	}
}

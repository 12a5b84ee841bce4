package queue

import "container/heap"

// destHeap is the destinations that are down, the one to be probed next first.
type destHeap []*dest

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (h destHeap) Len() int           { return len(h) }
func (h destHeap) Less(i, j int) bool { return h[i].until < h[j].until }

func (h destHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i+1, j+1
}

func (h *destHeap) Push(x any) {
	d := x.(*dest)
	*h = append(*h, d)
	d.at = len(*h)
}

func (h *destHeap) Pop() any {
	old := *h
	d := old[len(old)-1]
	*h = old[:len(old)-1]
	d.at = 0
	return d
}

// put adds d, or moves it to where its time belongs.
func (h *destHeap) put(d *dest) {
	if d.at != 0 {
		heap.Fix(h, d.at-1)
		return
	}
	heap.Push(h, d)
}

func (h *destHeap) remove(d *dest) {
	if d.at != 0 {
		heap.Remove(h, d.at-1)
	}
}

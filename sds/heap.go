package sds

// binaryHeap pops the least item first. (container/heap would allocate for each
// item.)
type binaryHeap[T any] struct {
	items []T
	less  func(a, b T) bool
}

func (h *binaryHeap[T]) len() int { return len(h.items) }

func (h *binaryHeap[T]) push(x T) {
	h.items = append(h.items, x)
	for i := len(h.items) - 1; i > 0; {
		up := (i - 1) / 2
		if !h.less(h.items[i], h.items[up]) {
			return
		}
		h.items[up], h.items[i] = h.items[i], h.items[up]
		i = up
	}
}

func (h *binaryHeap[T]) pop() T {
	var zero T
	x := h.items[0]
	last := len(h.items) - 1
	h.items[0] = h.items[last]
	h.items[last] = zero
	h.items = h.items[:last]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if h.less(h.items[child], h.items[least]) {
				least = child
			}
		}
		if least == i {
			return x
		}
		h.items[least], h.items[i] = h.items[i], h.items[least]
		i = least
	}
}

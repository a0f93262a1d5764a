package store

import (
	"context"
	"sync"
)

// A coalescer answers look-ups of one kind by many requests at once with one statement: while one is
// under way the next ones gather, without a timer, as appends do. A look-up sees everything that was
// committed before it was asked for, since its statement starts afterwards. Safe for concurrent use.
type coalescer[K comparable, V any] struct {
	// fetch reads the rows of at most coalesced keys, none of them twice, by key.
	fetch func(ctx context.Context, keys []K) (map[K][]V, error)

	mu      sync.Mutex
	waiting []*lookup[K, V]
	running bool
}

// coalesced is how many keys one statement looks up at most.
const coalesced = 64

// lookup is one request's keys on their way.
type lookup[K comparable, V any] struct {
	keys  []K
	found map[K][]V
	err   error
	done  chan struct{}
}

// get reads the rows of keys, in their order.
func (c *coalescer[K, V]) get(ctx context.Context, keys []K) ([]V, error) {
	var rows []V
	for len(keys) > 0 {
		part := keys[:min(len(keys), coalesced)]
		keys = keys[len(part):]
		l, err := c.ask(ctx, part)
		if err != nil {
			return nil, err
		}
		seen := make(map[K]bool, len(part))
		for _, k := range part {
			if !seen[k] {
				seen[k] = true
				rows = append(rows, l.found[k]...)
			}
		}
	}
	return rows, nil
}

func (c *coalescer[K, V]) ask(ctx context.Context, keys []K) (*lookup[K, V], error) {
	l := &lookup[K, V]{keys: keys, done: make(chan struct{})}
	c.mu.Lock()
	c.waiting = append(c.waiting, l)
	if !c.running {
		c.running = true
		go c.work()
	}
	c.mu.Unlock()
	select {
	case <-l.done:
		return l, l.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// work answers what waits until nothing does.
func (c *coalescer[K, V]) work() {
	for {
		batch := c.take()
		if batch == nil {
			return
		}
		c.answer(batch)
	}
}

// take is what waits, as far as it fits into one statement; nil ends the work.
func (c *coalescer[K, V]) take() []*lookup[K, V] {
	c.mu.Lock()
	defer c.mu.Unlock()
	n, keys := 0, 0
	for n < len(c.waiting) && (n == 0 || keys+len(c.waiting[n].keys) <= coalesced) {
		keys += len(c.waiting[n].keys)
		n++
	}
	batch := c.waiting[:n:n]
	c.waiting = c.waiting[n:]
	c.running = n > 0
	if n == 0 {
		c.waiting = nil
		return nil
	}
	return batch
}

func (c *coalescer[K, V]) answer(batch []*lookup[K, V]) {
	ctx, cancel := context.WithTimeout(context.Background(), lockWait)
	defer cancel()
	var keys []K
	known := map[K]bool{}
	for _, l := range batch {
		for _, k := range l.keys {
			if !known[k] {
				known[k] = true
				keys = append(keys, k)
			}
		}
	}
	found, err := c.fetch(ctx, keys)
	for _, l := range batch {
		l.found, l.err = found, err
		close(l.done)
	}
}

package nodetest

import (
	"context"
	"errors"
	"slices"

	"ecluse/internal/directory"
)

// Reviews are all reviews that wait for an account or that it is told of, oldest first. Contested ones are
// left out. An account that no list is for has none.
func (w *World) Reviews(who string) (all []directory.Review) {
	w.t.Helper()
	for _, list := range []directory.ReviewList{directory.ReviewsWaiting, directory.ReviewsTold} {
		for page := 0; ; page++ {
			p, err := w.Directory.Reviews(context.Background(), w.Actor(who), list, page)
			if err != nil && !errors.Is(err, directory.ErrNotFound) {
				w.t.Fatal(err)
			}
			all = append(all, p.Reviews...)
			if (page+1)*directory.ReviewPageSize >= p.Count {
				break
			}
		}
	}
	slices.SortFunc(all, func(a, b directory.Review) int { return int(a.ID - b.ID) })
	return all
}

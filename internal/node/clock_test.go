package node

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"
)

// A clock whose wall moved by this much against its monotonic reading since the start.
func jumped(by time.Duration) *Clock {
	start := time.Now()
	return &Clock{now: time.Now, start: start, wall: start.Round(0).Add(-by)}
}

func TestAClockThatJumpsEitherWayStopsTheNodeForGood(t *testing.T) {
	for name, test := range map[string]struct {
		by   time.Duration
		stop bool
	}{"an hour ahead": {time.Hour, true}, "an hour back": {-time.Hour, true}, "slewed a little": {2 * time.Second, false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := jumped(test.by)
			ctx, cancel := context.WithTimeout(t.Context(), clockPeriod+500*time.Millisecond)
			defer cancel()
			c.run(ctx, slog.New(slog.DiscardHandler))
			if err := c.Check(); errors.Is(err, ErrClock) != test.stop {
				t.Errorf("the clock says %v", err)
			}
		})
	}
}

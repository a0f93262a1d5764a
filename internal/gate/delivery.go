package gate

import (
	"context"
	"errors"
	"sync"

	"ecluse/internal/ledger"
)

// Delivery follows what one request was allowed to see until its door hands over the first byte. A door makes
// one for each request (Delivering), says Begun when the answer that carries the values goes out, and Failed
// when it is done. If it never began, each allowed disclosure gets a second entry, undelivered, which scope
// does not count as shown. A nil Delivery follows nothing. Safe for concurrent use.
type Delivery struct {
	mu       sync.Mutex
	begun    bool
	withdraw []func(context.Context) error
}

type deliveryKey struct{}

// Delivering makes the Delivery of a request and the context under which its disclosures are followed.
func Delivering(ctx context.Context) (context.Context, *Delivery) {
	d := &Delivery{}
	return context.WithValue(ctx, deliveryKey{}, d), d
}

// Follow has the Delivery of a context, if there is one, call withdraw should the answer never begin. Gates
// call it for what they allowed; so do the fakes of tests.
func Follow(ctx context.Context, withdraw func(context.Context) error) {
	d, ok := ctx.Value(deliveryKey{}).(*Delivery)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.withdraw = append(d.withdraw, withdraw)
}

// Begun says that the first byte is about to be handed over: from now on it is presumed delivered, whatever
// becomes of the connection.
func (d *Delivery) Begun() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.begun = true
}

// Failed writes down what was allowed and never began to go out. It does nothing after Begun, nor twice. The
// error is the ledger's: then the ledger says that it was shown, which it was not.
func (d *Delivery) Failed(ctx context.Context) error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.begun {
		return nil
	}
	d.begun = true
	var all error
	for _, withdraw := range d.withdraw {
		all = errors.Join(all, withdraw(ctx))
	}
	return all
}

// follow has what a pass allowed withdrawn should its answer never begin.
func (g *Gate) follow(ctx context.Context, f facts, results []ledger.Result) {
	if len(receipts(results)) > 0 {
		Follow(ctx, func(ctx context.Context) error { return g.undelivered(ctx, f, results) })
	}
}

package post

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ecluse"
	"ecluse/internal/directory"
)

// deliver sends what is due, account by account, until nothing is or the mail server stops answering.
func (p *Office) deliver(ctx context.Context) error {
	if p.Courier == nil || p.Now().Before(p.paused) {
		return nil
	}
	for {
		due, err := p.Rows.DueAccounts(ctx, p.Now(), atOnce)
		if err != nil || len(due) == 0 {
			return err
		}
		for _, a := range due {
			err := p.deliverTo(ctx, a)
			if errors.Is(err, ErrServer) {
				p.paused = p.Now().Add(serverPause)
				p.Log.Warn("the mail server does not answer: notices wait", "error", err)
				return nil
			}
			if err != nil || ctx.Err() != nil {
				return err
			}
		}
	}
}

// deliverTo claims what is due for one account and sends it.
func (p *Office) deliverTo(ctx context.Context, a ecluse.AccountID) error {
	now := p.Now()
	claimed := now.Add(claimLife)
	due, err := p.Rows.ClaimDue(ctx, a, now, claimed)
	if err != nil || len(due) == 0 {
		return err
	}
	recent, err := p.Rows.MailedSince(ctx, a, now.Add(-max(Together, time.Hour)))
	if err != nil {
		return err
	}
	mails, later := plan(due, recent, now)
	for until, list := range later {
		if err := p.settle(ctx, a, list, claimed, Outcome{State: Waiting, Next: until}); err != nil {
			return err
		}
	}
	to, address, err := p.addressee(ctx, a)
	if err != nil {
		return err
	}
	for _, list := range mails {
		if err := p.send(ctx, to, address, list, claimed); err != nil {
			return err
		}
	}
	return nil
}

// addressee is who a claim is for, with an address that mail can go to; "" if there is none. An account
// whose MAC does not hold has none.
func (p *Office) addressee(ctx context.Context, a ecluse.AccountID) (directory.Account, string, error) {
	to, err := p.Directory.Owner(ctx, a)
	if errors.Is(err, directory.ErrDead) || errors.Is(err, directory.ErrUnknownAccount) {
		return directory.Account{ID: a}, "", nil
	}
	if err != nil {
		return to, "", fmt.Errorf("read whom to tell: %w", err)
	}
	return to, usable(to.Email), nil
}

// send writes and sends one mail, and settles its notices. Its error is of the database, or ErrServer.
func (p *Office) send(ctx context.Context, to directory.Account, address string, list []Delivery, claimed time.Time) error {
	until := p.Now().Add(claimLife)
	mine, err := p.Rows.Hold(ctx, to.ID, numbers(list), claimed, until)
	if err != nil || !mine { // another node has them: the claim lapsed
		return err
	}
	if address == "" {
		return p.settle(ctx, to.ID, list, until, Outcome{State: Dropped})
	}
	mail, err := p.write(ctx, to, list)
	if errors.Is(err, errNothing) {
		return p.settle(ctx, to.ID, list, until, Outcome{State: Dropped})
	}
	if err != nil {
		return err
	}
	mail.To, mail.At = address, p.Now()
	err = p.Courier.Carry(ctx, mail)
	return p.after(ctx, to.ID, list, until, err)
}

// after settles a mail that was tried.
func (p *Office) after(ctx context.Context, a ecluse.AccountID, list []Delivery, claimed time.Time, tried error) error {
	now := p.Now()
	ctx = context.WithoutCancel(ctx) // what was sent is noted, whoever stops the node
	switch {
	case tried == nil:
		return p.settle(ctx, a, list, claimed, Outcome{State: Sent, Sent: now, Mail: list[0].Notice.ID})
	case errors.Is(tried, ErrAddress):
		p.Log.Warn("a notice reaches nobody", "account", int64(a), "error", tried)
		return p.settle(ctx, a, list, claimed, Outcome{State: Failed, Failed: true})
	}
	for _, d := range list {
		o := Outcome{State: Waiting, Next: now.Add(backOff(d.Tries)), Failed: !errors.Is(tried, ErrServer)}
		if now.Sub(d.Notice.At) > GiveUp {
			p.Log.Error("a notice was given up", "notice", d.Notice.ID, "kind", string(d.Notice.Kind), "tries", d.Tries+1, "error", tried)
			o.State, o.Next = Failed, time.Time{}
		}
		if err := p.settle(ctx, a, []Delivery{d}, claimed, o); err != nil {
			return err
		}
	}
	if errors.Is(tried, ErrServer) {
		return tried
	}
	return nil
}

func (p *Office) settle(ctx context.Context, a ecluse.AccountID, list []Delivery, claimed time.Time, o Outcome) error {
	if err := p.Rows.Settle(ctx, a, numbers(list), claimed, o); err != nil {
		return err
	}
	for range list {
		switch {
		case o.State != Waiting:
			p.Count(o.State)
		case o.Failed:
			p.Count("retried")
		}
	}
	return nil
}

// backOff is how long to wait after so many tries that failed.
func backOff(tries int) time.Duration {
	wait := firstRetry
	for range tries {
		if wait *= 2; wait >= lastRetry {
			return lastRetry
		}
	}
	return wait
}

func numbers(list []Delivery) []int64 {
	ids := make([]int64, len(list))
	for i, d := range list {
		ids[i] = d.Notice.ID
	}
	return ids
}

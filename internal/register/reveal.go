package register

import (
	"context"
	"fmt"

	"ecluse/internal/ledger"
)

// Reveal opens the records of people that receipts name: exactly their persons, versions and fields, in the
// order of the receipts. It is the only way in which values leave this package. The records were read,
// sealed, with the facts of the decision (People), so that nothing is asked of the database any more.
//
// Each receipt is spent, whatever comes of it; one that opens nothing means that nothing is revealed.
// Errors: ledger.ErrNoReceipt, ErrReceiptSpent, ErrReceiptExpired; ErrUnknownRegister; ErrSealed if a record
// was altered, or is none of people's.
func (s *Registers) Reveal(ctx context.Context, people []Person, receipts ...ledger.Receipt) ([]Values, error) {
	now := s.now()
	passages := make([]ledger.Passage, len(receipts))
	for i, r := range receipts {
		var err error
		if passages[i], err = r.Open(now); err != nil {
			return nil, fmt.Errorf("open receipt %d of %d: %w", i+1, len(receipts), err)
		}
	}
	sealed := make(map[PersonVersion][]byte, len(people))
	for _, p := range people {
		sealed[PersonVersion{p.ID, p.Version}] = p.sealed
	}
	all := make([]Values, len(passages))
	for i, p := range passages {
		var err error
		if all[i], err = s.reveal(ctx, p, sealed[PersonVersion{p.Person, p.Version}]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// reveal opens the fields of one passage.
func (s *Registers) reveal(ctx context.Context, p ledger.Passage, blob []byte) (Values, error) {
	reg, err := s.ByID(ctx, p.Register)
	if err != nil {
		return Values{}, err
	}
	v := reg.vault()
	o, err := v.open(reg.place(p.Person, p.Version), blob)
	if err != nil {
		return Values{}, err
	}
	text := make(map[int]string, p.Fields.Len())
	for _, f := range reg.Schema.Fields {
		if !p.Fields.Has(f.Bit) {
			continue
		}
		if text[f.Bit], err = v.value(o, f.Bit); err != nil {
			return Values{}, err
		}
	}
	return Values{schema: reg.Schema, set: p.Fields & reg.Schema.AllFields(), text: func(bit int) string { return text[bit] }}, nil
}

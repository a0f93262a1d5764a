package register

import (
	"context"
	"fmt"

	"ecluse/internal/ledger"
)

// Reveal opens the records that receipts name: exactly their persons, versions and fields, in the order
// of the receipts. It is the only way in which values leave this package.
//
// Each receipt is spent, whatever comes of it; one that opens nothing means that nothing is revealed.
// One store call for all. Errors: ledger.ErrNoReceipt, ErrReceiptSpent, ErrReceiptExpired;
// ErrUnknownRegister; ErrSealed if a record was altered or is gone.
func (s *Registers) Reveal(ctx context.Context, receipts ...ledger.Receipt) ([]Values, error) {
	if len(receipts) == 0 {
		return nil, nil
	}
	now := s.now()
	passages := make([]ledger.Passage, len(receipts))
	versions := make([]PersonVersion, len(receipts))
	for i, r := range receipts {
		p, err := r.Open(now)
		if err != nil {
			return nil, fmt.Errorf("open receipt %d of %d: %w", i+1, len(receipts), err)
		}
		passages[i], versions[i] = p, PersonVersion{p.Person, p.Version}
	}
	rows, err := s.store.Records(ctx, versions)
	if err != nil {
		return nil, fmt.Errorf("read %d records: %w", len(versions), err)
	}
	sealed := make(map[PersonVersion][]byte, len(rows))
	for _, row := range rows {
		sealed[PersonVersion{row.Person, row.Version}] = row.Sealed
	}
	all := make([]Values, len(passages))
	for i, p := range passages {
		if all[i], err = s.reveal(ctx, p, sealed[versions[i]]); err != nil {
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

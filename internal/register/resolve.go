package register

import (
	"context"
	"fmt"
	"slices"

	"ecluse"
)

// Resolve finds persons by the register's own identifiers, for imports of links: the answer has the
// order of externals, 0 for those that the register does not hold. It is for operators, who bring the
// identifiers themselves; no door of the program reaches it.
func (s *Registers) Resolve(ctx context.Context, reg *Register, externals []string) ([]ecluse.PersonID, error) {
	x := reg.indexer()
	keyed := make([][]byte, len(externals))
	for i, e := range externals {
		k := x.external(e)
		keyed[i] = k[:]
	}
	found := make(map[Keyed]ecluse.PersonID, len(externals))
	for chunk := range slices.Chunk(keyed, personsPerTx) {
		rows, err := s.store.Known(ctx, reg.ID, chunk)
		if err != nil {
			return nil, fmt.Errorf("resolve %d identifiers: %w", len(externals), err)
		}
		for _, row := range rows {
			if row.Version != 0 {
				found[Keyed(row.External)] = row.Person
			}
		}
	}
	ids := make([]ecluse.PersonID, len(externals))
	for i, k := range keyed {
		ids[i] = found[Keyed(k)]
	}
	return ids, nil
}

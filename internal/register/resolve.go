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
	ids := make([]ecluse.PersonID, 0, len(externals))
	for chunk := range slices.Chunk(externals, personsPerTx) {
		keyed := make([][]byte, len(chunk))
		for i, e := range chunk {
			k := x.external(e)
			keyed[i] = k[:]
		}
		rows, err := s.store.Known(ctx, reg.ID, keyed)
		if err != nil {
			return nil, fmt.Errorf("resolve %d identifiers: %w", len(externals), err)
		}
		found := make(map[Keyed]ecluse.PersonID, len(chunk))
		for _, row := range rows {
			if row.Version != 0 {
				found[Keyed(row.External)] = row.Person
			}
		}
		for _, k := range keyed {
			ids = append(ids, found[Keyed(k)])
		}
	}
	return ids, nil
}

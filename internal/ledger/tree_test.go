package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// reference is the tree of golang.org/x/mod/sumdb/tlog, which keeps every hash.
type reference struct{ hashes []tlog.Hash }

func (r *reference) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = r.hashes[x]
	}
	return out, nil
}

func (r *reference) add(t *testing.T, n int64, leaf tlog.Hash) {
	t.Helper()
	more, err := tlog.StoredHashesForRecordHash(n, leaf, r)
	if err != nil {
		t.Fatal(err)
	}
	r.hashes = append(r.hashes, more...)
}

func leafNumber(n int64) tlog.Hash {
	return tlog.RecordHash(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

func TestTheFrontierIsTheTreeOfRFC6962(t *testing.T) {
	var r reference
	var f Frontier
	for n := int64(0); n <= 65_600; n++ {
		if n <= 600 || n >= 65_500 {
			want, err := tlog.TreeHash(n, &r)
			if err != nil {
				t.Fatal(err)
			}
			if f.Root() != want {
				t.Fatalf("the root of %d leaves differs", n)
			}
			stored, err := ParseFrontier(n, f.Bytes())
			if err != nil || stored.Root() != want || stored.Size() != n {
				t.Fatalf("the frontier of %d leaves does not survive being stored: %v", n, err)
			}
		}
		f.add(leafNumber(n))
		r.add(t, n, leafNumber(n))
	}
}

// Sizes with as many subtrees have equally long frontiers: those the root tells apart.
func TestAFrontierOfAnotherSizeIsRefused(t *testing.T) {
	var f Frontier
	for n := range int64(5) {
		f.add(leafNumber(n))
	}
	for _, bad := range []int64{0, 4, 7, 64, -1} {
		if _, err := ParseFrontier(bad, f.Bytes()); err == nil {
			t.Errorf("a frontier of 5 leaves is taken for one of %d", bad)
		}
	}
}

// tree is a fake of the stored tiles and leaves.
type tree struct {
	leaves []byte
	tiles  map[[2]int64][]byte
}

func (s *tree) LeavesIn(_ context.Context, from, to int64) ([]byte, error) {
	return bytes.Clone(s.leaves[32*from : 32*to]), nil
}

func (s *tree) TileIn(_ context.Context, level int, index int64) ([]byte, error) {
	return s.tiles[[2]int64{int64(level), index}], nil
}

// grow adds leaves in batches of these sizes and stores the tiles that become complete.
func (s *tree) grow(t *testing.T, total int64, batches ...int64) {
	t.Helper()
	s.tiles = map[[2]int64][]byte{}
	for n, i := int64(0), 0; n < total; i++ {
		size := min(batches[i%len(batches)], total-n)
		var fresh []tlog.Hash
		for k := range size {
			fresh = append(fresh, leafNumber(n+k))
		}
		tiles, err := completeTiles(t.Context(), s, n, fresh)
		if err != nil {
			t.Fatal(err)
		}
		for _, tile := range tiles {
			key := [2]int64{int64(tile.Level), tile.Index}
			if _, twice := s.tiles[key]; twice {
				t.Fatalf("tile %v is written twice", key)
			}
			s.tiles[key] = tile.Data
		}
		for _, h := range fresh {
			s.leaves = append(s.leaves, h[:]...)
		}
		n += size
	}
}

func TestTilesAreCompleteAtTheirBoundariesAndNeverBefore(t *testing.T) {
	const total = 65_536 + 300
	for name, batches := range map[string][]int64{"odd": {1, 63, 7, 64, 33}, "beyond a tile": {600}} {
		t.Run(name, func(t *testing.T) {
			s := &tree{}
			s.grow(t, total, batches...)
			var r reference
			for n := range int64(total) {
				r.add(t, n, leafNumber(n))
			}
			want := 0
			for level, size := 0, int64(total); size >= tileWidth; level, size = level+1, size/tileWidth {
				for index := range size / tileWidth {
					want++
					tile := tlog.Tile{H: tileHeight, L: level, N: index, W: tileWidth}
					data, err := tlog.ReadTileData(tile, &r)
					if err != nil {
						t.Fatal(err)
					}
					if !bytes.Equal(s.tiles[[2]int64{int64(level), index}], data) {
						t.Fatalf("tile %d/%d differs from golang.org/x/mod's", level, index)
					}
				}
			}
			if len(s.tiles) != want {
				t.Errorf("%d tiles, want %d: an incomplete one was written", len(s.tiles), want)
			}
		})
	}
}

func TestNoTileIsWrittenOneLeafBeforeItsBoundary(t *testing.T) {
	for _, size := range []int64{0, 1, 255, 256, 257, 511, 512} {
		s := &tree{}
		s.grow(t, size, 1)
		if got := int64(len(s.tiles)); got != size/tileWidth {
			t.Errorf("%d leaves make %d tiles", size, got)
		}
	}
}

func TestAMissingTileBelowIsAnErrorAndNotAWrongTile(t *testing.T) {
	s := &tree{}
	s.grow(t, 65_535, 64)
	delete(s.tiles, [2]int64{0, 17})
	if _, err := completeTiles(t.Context(), s, 65_535, []tlog.Hash{leafNumber(65_535)}); err == nil {
		t.Error("a tile of level 1 was made without one of its parts")
	}
}

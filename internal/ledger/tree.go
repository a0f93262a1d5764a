package ledger

import (
	"context"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// tileHeight: tiles hold 2^8 = 256 hashes (c2sp.org/tlog-tiles).
const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

// Frontier is the right edge of the tree: the roots of its complete subtrees, largest first. With it
// a leaf is added, and the root computed, without reading anything else (RFC 6962 §2.1).
type Frontier struct {
	size   int64
	hashes []tlog.Hash
}

// ParseFrontier reads the stored form for a tree of size leaves.
func ParseFrontier(size int64, data []byte) (Frontier, error) {
	if len(data) != 32*bits.OnesCount64(uint64(size)) {
		return Frontier{}, fmt.Errorf("the frontier has %d bytes, a tree of %d leaves needs %d", len(data), size, 32*bits.OnesCount64(uint64(size)))
	}
	f := Frontier{size: size, hashes: make([]tlog.Hash, len(data)/32)}
	for i := range f.hashes {
		copy(f.hashes[i][:], data[32*i:])
	}
	return f, nil
}

// Bytes is the stored form.
func (f Frontier) Bytes() []byte {
	b := make([]byte, 0, 32*len(f.hashes))
	for _, h := range f.hashes {
		b = append(b, h[:]...)
	}
	return b
}

// Size is the number of leaves.
func (f Frontier) Size() int64 { return f.size }

func (f Frontier) clone() Frontier {
	return Frontier{size: f.size, hashes: append([]tlog.Hash(nil), f.hashes...)}
}

// add appends a leaf: equal subtrees at the right edge merge, as a binary counter carries.
func (f *Frontier) add(leaf tlog.Hash) {
	h := leaf
	for carry := f.size; carry&1 == 1; carry >>= 1 {
		last := len(f.hashes) - 1
		h = tlog.NodeHash(f.hashes[last], h)
		f.hashes = f.hashes[:last]
	}
	f.hashes = append(f.hashes, h)
	f.size++
}

// Root is the tree's root hash; for the empty tree that of the empty string.
func (f Frontier) Root() tlog.Hash {
	if f.size == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	h := f.hashes[len(f.hashes)-1]
	for i := len(f.hashes) - 2; i >= 0; i-- {
		h = tlog.NodeHash(f.hashes[i], h)
	}
	return h
}

// tileRoot is the root of a complete tile.
func tileRoot(data []byte) tlog.Hash {
	var f Frontier
	for i := 0; i < len(data); i += 32 {
		f.add(tlog.Hash(data[i : i+32]))
	}
	return f.Root()
}

// tileSource is where completeTiles reads what earlier batches wrote.
type tileSource interface {
	LeavesIn(ctx context.Context, from, to int64) ([]byte, error)
	TileIn(ctx context.Context, level int, index int64) ([]byte, error)
}

// completeTiles are the tiles that become complete when leaves are added to a tree of size before.
func completeTiles(ctx context.Context, src tileSource, before int64, leaves []tlog.Hash) ([]Tile, error) {
	after := before + int64(len(leaves))
	if after/tileWidth == before/tileWidth {
		return nil, nil
	}
	data, err := src.LeavesIn(ctx, before-before%tileWidth, before)
	if err != nil {
		return nil, fmt.Errorf("read the leaves of the tile: %w", err)
	}
	for _, l := range leaves {
		data = append(data, l[:]...)
	}
	var tiles []Tile
	for index := before / tileWidth; index < after/tileWidth; index++ {
		tile := Tile{Level: 0, Index: index, Data: data[:32*tileWidth]}
		data = data[32*tileWidth:]
		tiles = append(tiles, tile)
		if tiles, err = completeParents(ctx, src, tiles, index); err != nil {
			return nil, err
		}
	}
	return tiles, nil
}

// completeParents adds the tiles above level 0 that end with the level-0 tile of this index.
func completeParents(ctx context.Context, src tileSource, tiles []Tile, index int64) ([]Tile, error) {
	for level := 1; (index+1)%tileWidth == 0; level++ {
		index /= tileWidth
		var data []byte
		for child := index * tileWidth; child < (index+1)*tileWidth; child++ {
			tile, err := findTile(ctx, src, tiles, level-1, child)
			if err != nil {
				return nil, err
			}
			root := tileRoot(tile)
			data = append(data, root[:]...)
		}
		tiles = append(tiles, Tile{Level: level, Index: index, Data: data})
	}
	return tiles, nil
}

func findTile(ctx context.Context, src tileSource, fresh []Tile, level int, index int64) ([]byte, error) {
	for _, t := range fresh {
		if t.Level == level && t.Index == index {
			return t.Data, nil
		}
	}
	data, err := src.TileIn(ctx, level, index)
	if err != nil {
		return nil, fmt.Errorf("read tile %d/%d: %w", level, index, err)
	}
	if len(data) != 32*tileWidth {
		return nil, fmt.Errorf("tile %d/%d is missing", level, index)
	}
	return data, nil
}

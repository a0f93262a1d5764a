package api

import (
	"net/http"

	"golang.org/x/mod/sumdb/tlog"
)

// tileHeight: tiles are 256 hashes wide (c2sp.org/tlog-tiles).
const tileHeight = 8

// unchanging: a tile never changes once it exists.
const unchanging = "public, max-age=31536000, immutable"

func (a *API) checkpoint(c *call) (reply, error) {
	note, err := a.rooms.Tree.Checkpoint(c.Context())
	if err != nil {
		return reply{}, err
	}
	if note == nil {
		return reply{}, &problem{Status: http.StatusNotFound, Code: "tree.empty", Detail: "No checkpoint has been signed yet."}
	}
	return reply{status: http.StatusOK, raw: note, kind: "text/plain; charset=utf-8", cache: "no-cache"}, nil
}

// tile serves /tlog/tile/LEVEL/INDEX: the index in groups of three digits, all but the last with an
// x before (x001/x234/067), a partial tile with .p/WIDTH behind (c2sp.org/tlog-tiles).
func (a *API) tile(c *call) (reply, error) {
	none := &problem{Status: http.StatusNotFound, Code: "tree.no_tile", Detail: "The tree has no such tile."}
	tile, err := tlog.ParseTilePath("tile/8/" + c.PathValue("level") + "/" + c.PathValue("index"))
	if err != nil || tile.L < 0 || tile.H != tileHeight {
		return reply{}, none
	}
	const width = 1 << tileHeight
	hashes, err := a.rooms.Tree.Tile(c.Context(), tile.L, tile.N*width, int64(tile.W))
	if err != nil {
		return reply{}, err
	}
	if hashes == nil {
		return reply{}, none
	}
	return reply{status: http.StatusOK, raw: hashes, kind: "application/octet-stream", cache: unchanging}, nil
}

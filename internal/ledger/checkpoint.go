package ledger

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ecluse"
	"ecluse/internal/keys"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Errors of checkpoints.
var (
	// ErrRolledBack: the database holds less, or something else, than a checkpoint that this node
	// knows: an old backup, or a tail removed.
	ErrRolledBack = errors.New("the ledger is not the one that this node signed")
	// ErrCheckpoint: the text is no checkpoint of this ledger.
	ErrCheckpoint = errors.New("not a checkpoint of this ledger")
)

// Checkpoint is a signed tree head (c2sp.org/tlog-checkpoint).
type Checkpoint struct {
	Size int64
	Root tlog.Hash
	Note []byte // as signed
}

// SignHead signs a head that was read from the database, as the Notary does.
func SignHead(h Head, k *keys.Keys) (Checkpoint, error) {
	signer, err := k.Signer()
	if err != nil {
		return Checkpoint{}, err
	}
	return sign(h.Frontier, k.Origin(), signer)
}

// sign makes the checkpoint of a head.
func sign(f Frontier, origin string, signer note.Signer) (Checkpoint, error) {
	root := f.Root()
	text := fmt.Sprintf("%s\n%d\n%s\n", origin, f.Size(), base64.StdEncoding.EncodeToString(root[:]))
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("sign the checkpoint: %w", err)
	}
	return Checkpoint{Size: f.Size(), Root: root, Note: signed}, nil
}

// ParseCheckpoint verifies a checkpoint's signature under a note verifier key: ErrCheckpoint.
func ParseCheckpoint(data []byte, verifierKey string) (Checkpoint, error) {
	verifier, err := note.NewVerifier(verifierKey)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: the verifier key is malformed", ErrCheckpoint)
	}
	n, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("%w: the signature does not hold", ErrCheckpoint)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return Checkpoint{}, fmt.Errorf("%w: three lines are expected", ErrCheckpoint)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	root, err2 := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || err2 != nil || size < 0 || len(root) != 32 {
		return Checkpoint{}, fmt.Errorf("%w: its size or root is malformed", ErrCheckpoint)
	}
	return Checkpoint{Size: size, Root: tlog.Hash(root), Note: data}, nil
}

// Notary signs the head at most once a Period and keeps the newest checkpoint in a file of this node,
// outside the database, so that a removed tail shows at the next start. Safe for concurrent use; only
// Sign waits for another Sign, since every append asks Fresh.
type Notary struct {
	store    Store
	keys     *keys.Keys
	path     string
	signing  sync.Mutex
	signed   Frontier // of the newest checkpoint that this process made; signing guards it
	last     atomic.Pointer[Checkpoint]
	failures atomic.Int32 // in a row, of Run's attempts
}

// Period is how old the newest checkpoint may be while entries are written.
const Period = time.Second

// NewNotary reads the checkpoint of this node, if there is one, and compares the ledger with it:
// ErrRolledBack if the ledger is shorter or different, ErrCheckpoint if the file is damaged.
func NewNotary(ctx context.Context, store Store, k *keys.Keys, path string) (*Notary, error) {
	n := &Notary{store: store, keys: k, path: path}
	n.last.Store(&Checkpoint{})
	last, err := n.read()
	if errors.Is(err, fs.ErrNotExist) {
		return n, n.Sign(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("read this node's checkpoint: %w", err)
	}
	n.last.Store(&last)
	if err := Extends(ctx, store, last); err != nil {
		return nil, err
	}
	return n, n.Sign(ctx)
}

// Extends reports whether the ledger continues the tree of a checkpoint: ErrRolledBack otherwise.
func Extends(ctx context.Context, store Reader, c Checkpoint) error {
	head, err := store.Head(ctx)
	if err != nil {
		return fmt.Errorf("read the head: %w", err)
	}
	return extends(ctx, store, head, c)
}

// extends compares the tree of a head with a checkpoint: O(log n) reads.
func extends(ctx context.Context, store Reader, head Head, c Checkpoint) error {
	if int64(head.N) < c.Size {
		return fmt.Errorf("%w: %d entries, the checkpoint has %d", ErrRolledBack, head.N, c.Size)
	}
	if c.Size == 0 {
		return nil
	}
	for _, size := range []int64{c.Size, int64(head.N)} {
		root, err := tlog.TreeHash(size, Hashes(ctx, store))
		if err != nil {
			return fmt.Errorf("%w: the tree of %d entries cannot be computed: %w", ErrRolledBack, size, err)
		}
		want := c.Root
		if size != c.Size {
			want = head.Frontier.Root()
		}
		if root != want {
			return fmt.Errorf("%w: the tree of the first %d entries has another root", ErrRolledBack, size)
		}
	}
	return nil
}

// Sign signs the present head, if it is newer than the last checkpoint, and writes the file.
func (n *Notary) Sign(ctx context.Context) error {
	head, err := n.store.Head(ctx)
	if err != nil {
		return fmt.Errorf("read the head: %w", err)
	}
	n.signing.Lock()
	defer n.signing.Unlock()
	last := *n.last.Load()
	if int64(head.N) <= last.Size && last.Note != nil {
		if int64(head.N) < last.Size {
			return fmt.Errorf("%w: %d entries, this node signed %d", ErrRolledBack, head.N, last.Size)
		}
		return nil
	}
	if err := n.goesOn(ctx, head, last); err != nil {
		return err
	}
	c, err := SignHead(head, n.keys)
	if err != nil {
		return err
	}
	if !n.newerThere(c.Size) { // a command beside a running node must not take its file back
		if err := keys.WriteFile(n.path, c.Note, 0o644); err != nil {
			return err
		}
	}
	n.last.Store(&c)
	n.signed = head.Frontier.clone()
	return nil
}

// longestStep is how many entries since the last checkpoint are hashed one by one: many seconds of work.
const longestStep = 1 << 16

// goesOn reports whether a head goes on from the last checkpoint. Where this process has made it, the entries
// since are added to its tree, which must come to the head's root; else the trees of both are computed again,
// from up to hundreds of tiles.
func (n *Notary) goesOn(ctx context.Context, head Head, last Checkpoint) error {
	step := int64(head.N) - last.Size
	if last.Size == 0 || n.signed.Size() != last.Size || step < 0 || step > longestStep {
		return extends(ctx, n.store, head, last)
	}
	leaves, err := n.store.Leaves(ctx, ecluse.EntryNumber(last.Size), head.N)
	if err != nil {
		return fmt.Errorf("read the entries since the last checkpoint: %w", err)
	}
	grown := n.signed.clone()
	for leaf := range slices.Chunk(leaves, tlog.HashSize) {
		grown.add(tlog.Hash(leaf))
	}
	if grown.Size() != int64(head.N) || grown.Root() != head.Frontier.Root() {
		return fmt.Errorf("%w: the %d entries since the last checkpoint do not lead to the present tree", ErrRolledBack, step)
	}
	return nil
}

// newerThere reports whether the file already holds a checkpoint of this ledger of that size or more.
func (n *Notary) newerThere(size int64) bool {
	there, err := n.read()
	return err == nil && there.Size >= size
}

func (n *Notary) read() (Checkpoint, error) {
	data, err := os.ReadFile(n.path)
	if err != nil {
		return Checkpoint{}, err
	}
	key, err := n.keys.VerifierKey()
	if err != nil {
		return Checkpoint{}, err
	}
	return ParseCheckpoint(data, key)
}

// Run signs at once and then every Period until ctx ends; failed is told of every failure, with a rolled-back ledger
// among them.
func (n *Notary) Run(ctx context.Context, failed func(error)) {
	tick := time.NewTicker(Period)
	defer tick.Stop()
	for {
		err := n.Sign(ctx)
		if ctx.Err() != nil {
			return
		}
		if n.tried(err); err != nil {
			failed(err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// maxFailures is how often in a row signing may fail before a node stops admitting entries.
const maxFailures = 10

// ErrUnsigned: entries are not admitted because they could not be signed for.
var ErrUnsigned = errors.New("no checkpoint can be signed or written on this node")

// Fresh says whether this node could sign lately: ErrUnsigned after maxFailures in a row, so that what
// cannot be proven is not admitted either. It recovers by itself.
func (n *Notary) Fresh() error {
	if n.failures.Load() >= maxFailures {
		return ErrUnsigned
	}
	return nil
}

// tried counts failures in a row.
func (n *Notary) tried(err error) {
	if n.failures.Add(1); err == nil {
		n.failures.Store(0)
	}
}

// Last is the newest checkpoint, as signed.
func (n *Notary) Last() []byte {
	return bytes.Clone(n.last.Load().Note)
}

// Size is the number of entries under the newest checkpoint.
func (n *Notary) Size() int64 {
	return n.last.Load().Size
}

// Hashes reads the tree's hashes from tiles and leaves, for tlog's proofs.
func Hashes(ctx context.Context, store Reader) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			level, n := tlog.SplitStoredHashIndex(index)
			h, err := nodeHash(ctx, store, level, n)
			if err != nil {
				return nil, err
			}
			out[i] = h
		}
		return out, nil
	})
}

// nodeHash is the hash of the complete subtree of 2^level leaves that starts at leaf n << level.
func nodeHash(ctx context.Context, store Reader, level int, n int64) (tlog.Hash, error) {
	tileLevel, inside := level/tileHeight, level%tileHeight
	first, count := n<<inside, int64(1)<<inside
	data, err := TileRange(ctx, store, tileLevel, first, count)
	if err != nil {
		return tlog.Hash{}, err
	}
	return tileRoot(data), nil
}

// TileRange are count hashes of tile level `level` from position first, all inside one tile. Level-0
// hashes of the last, incomplete tile come from the entries, higher ones from the tiles below.
func TileRange(ctx context.Context, store Reader, level int, first, count int64) ([]byte, error) {
	data, err := store.Tile(ctx, level, first/tileWidth)
	if err != nil {
		return nil, err
	}
	if data != nil {
		at := 32 * (first % tileWidth)
		if int64(len(data)) < at+32*count {
			return nil, fmt.Errorf("tile %d/%d is short", level, first/tileWidth)
		}
		return data[at : at+32*count], nil
	}
	if level == 0 {
		data, err := store.Leaves(ctx, ecluse.EntryNumber(first), ecluse.EntryNumber(first+count))
		if err == nil && int64(len(data)) != 32*count {
			err = fmt.Errorf("entries %d to %d are not all there", first, first+count-1)
		}
		return data, err
	}
	for i := first; i < first+count; i++ {
		child, err := TileRange(ctx, store, level-1, i*tileWidth, tileWidth)
		if err != nil {
			return nil, err
		}
		root := tileRoot(child)
		data = append(data, root[:]...)
	}
	return data, nil
}

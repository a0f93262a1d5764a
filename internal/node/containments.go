package node

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"ecluse/internal/config"
	"ecluse/internal/directory"
	"ecluse/internal/keys"
)

// A backup does not know what was contained after it. So every node keeps a list of containments beside
// its checkpoint, outside the database, a line each, and a restore tells which of them it has lost.

// KeptContainment is one line of that list.
type KeptContainment struct {
	Entry   int64     `json:"entry"`
	At      time.Time `json:"at"`
	Account int64     `json:"account"`
	Tree    bool      `json:"tree"`
	Since   time.Time `json:"since,omitzero"`
	Undone  bool      `json:"undone,omitempty"` // a later line says that it was undone
	MAC     []byte    `json:"mac,omitempty"`
}

func containmentsFile(c *config.Config) string {
	return filepath.Join(filepath.Dir(c.Path()), "containments")
}

// sign is the MAC of a line under the key file.
func (k KeptContainment) sign(ks *keys.Keys) []byte {
	k.MAC = nil
	text, err := json.Marshal(k)
	if err != nil {
		panic("node: " + err.Error()) // numbers and times always encode
	}
	return ks.MAC("node/containments/v1", text)
}

// readContainments reads the list, the newest line of each entry. Lines that this key file did not sign, and
// the unfinished end of a file, are left out.
func readContainments(path string, ks *keys.Keys) (list []KeptContainment, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the list of containments: %w", err)
	}
	at := map[int64]int{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var k KeptContainment
		if json.Unmarshal(lines.Bytes(), &k) != nil || !hmac.Equal(k.MAC, k.sign(ks)) {
			continue
		}
		if i, known := at[k.Entry]; known {
			list[i] = k
			continue
		}
		at[k.Entry] = len(list)
		list = append(list, k)
	}
	return list, lines.Err()
}

// KeepContainments adds to this node's list what other nodes, or this one, contained or undid since.
func (n *Node) KeepContainments(ctx context.Context) error {
	controllers, err := n.Store.Controllers(ctx)
	if err != nil {
		return fmt.Errorf("read the controllers: %w", err)
	}
	n.containments.Lock()
	defer n.containments.Unlock()
	path := containmentsFile(n.Config)
	kept, err := readContainments(path, n.Keys)
	if err != nil {
		return err
	}
	known := map[int64]bool{} // entry -> undone
	for _, k := range kept {
		known[k.Entry] = k.Undone
	}
	var text bytes.Buffer
	for _, c := range controllers {
		all, err := n.Store.Containments(ctx, c.ID, false)
		if err != nil {
			return fmt.Errorf("read the containments: %w", err)
		}
		for _, one := range all {
			if undone, met := known[int64(one.Entry)]; !met || undone == one.InForce() {
				n.line(&text, one)
			}
		}
	}
	return appendTo(path, text.Bytes())
}

func (n *Node) line(text *bytes.Buffer, c directory.Contained) {
	k := KeptContainment{Entry: int64(c.Entry), At: c.At, Account: int64(c.Account), Tree: c.Tree, Since: c.Since, Undone: !c.InForce()}
	k.MAC = k.sign(n.Keys)
	line, err := json.Marshal(k)
	if err != nil {
		panic("node: " + err.Error()) // numbers and times always encode
	}
	text.Write(append(line, '\n'))
}

// appendTo adds to a file that only its owner reads, durably.
func appendTo(path string, text []byte) error {
	if len(text) == 0 {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep the list of containments: %w", err)
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// keepContainments keeps the list until ctx ends, whenever the directory has changed.
func (n *Node) keepContainments(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	rev := int64(-1)
	for {
		now, err := n.Store.Rev(ctx)
		if err == nil && now != rev {
			if err = n.KeepContainments(ctx); err == nil {
				rev = now
			}
		}
		if err != nil && ctx.Err() == nil {
			n.Log.Error("the list of containments is not kept", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// lostContainments are those of this node's list that a backup of so many entries does not have, and that
// were in force.
func lostContainments(c *config.Config, ks *keys.Keys, entries int64) ([]KeptContainment, error) {
	all, err := readContainments(containmentsFile(c), ks)
	lost := []KeptContainment{}
	for _, k := range all {
		if k.Entry >= entries && !k.Undone {
			lost = append(lost, k)
		}
	}
	return lost, err
}

// setAside moves the list away once a restore has told of it: its entries are no entries of the ledger that
// goes on.
func setAside(c *config.Config, entry int64) error {
	path := containmentsFile(c)
	err := os.Rename(path, fmt.Sprintf("%s.before-%d", path, entry))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

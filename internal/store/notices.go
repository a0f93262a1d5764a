package store

import (
	"context"

	"ecluse/internal/notice"
)

var insertNotices = defineBulk("insert notices", `INSERT INTO notices (id, at, kind, controller_id, organisation_id, account_id, made_by,
	subject_id, spread_at) VALUES %s`, "(?,?,?,?,?,?,?,?,0)", 0)

// noticeChunk is how many notices one statement writes.
const noticeChunk = 500

// InsertNotices writes notices of the act whose transaction this is; it gives them number and instant.
// Errors: notice.ErrIncomplete.
func (t *Tx) InsertNotices(ctx context.Context, list []notice.Notice) error {
	for len(list) > 0 {
		some := list[:min(noticeChunk, len(list))]
		list = list[len(some):]
		args := make([]any, 0, 8*len(some))
		first := t.Allot(len(some))
		for i, n := range some {
			if err := n.Check(); err != nil {
				return err
			}
			args = append(args, first+int64(i), micros(t.head.At), string(n.Kind), int64(n.Controller), int64(n.Organisation), int64(n.To),
				int64(n.By), n.Subject)
		}
		if err := t.bulkExec(ctx, insertNotices, len(some), args); err != nil {
			return err
		}
	}
	return nil
}

package keys

import (
	"encoding/binary"
	"fmt"
	"time"
)

// Canonical is the form of a row that its MAC covers: the values in the order of the columns, numbers as
// 8 bytes, texts and byte strings with their length before them, instants in microseconds (0 = none).
func Canonical(values ...any) []byte {
	var b []byte
	number := func(n int64) { b = binary.BigEndian.AppendUint64(b, uint64(n)) }
	text := func(s string) {
		number(int64(len(s)))
		b = append(b, s...)
	}
	for _, v := range values {
		switch v := v.(type) {
		case string:
			text(v)
		case []byte:
			text(string(v))
		case time.Time:
			if v.IsZero() {
				number(0)
			} else {
				number(v.UnixMicro())
			}
		case bool:
			number(map[bool]int64{true: 1}[v])
		case int64:
			number(v)
		default:
			panic(fmt.Sprintf("keys: %T has no canonical form", v))
		}
	}
	return b
}

// ControllerMAC authenticates a row of controllers, which two rooms read.
func (k *Keys) ControllerMAC(id int64, code, name, dpo string) []byte {
	return k.MAC("directory/controllers/v1", Canonical(id, code, name, dpo))
}

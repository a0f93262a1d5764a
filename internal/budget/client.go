package budget

import (
	"strings"

	"ecluse"
)

// OfClient is the code of an account's budget as it is told of a program that asks for somebody: what is
// exhausted is the program's, not hers.
func OfClient(code ecluse.Reason) ecluse.Reason {
	if rest, ok := strings.CutPrefix(string(code), "budget.account."); ok {
		return ecluse.Reason("budget.client." + rest)
	}
	return code
}

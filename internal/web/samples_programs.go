package web

import (
	"time"

	"ecluse/internal/directory"
)

// samplePrograms are the samples of the pages about programs.
func samplePrograms(all map[string][]any, in input, faults []fault, at time.Time) {
	own := programView{Name: "x", Page: "/", End: "/"}
	agreed := own
	agreed.Agreed, agreed.Until = machineTime{at}, machineTime{at}
	all["programs"] = []any{programsPage{}, programsPage{List: []programView{own, agreed}, Notice: "agreed"}, programsPage{Notice: "ended"}}
	all["agree"] = []any{agreePage{Program: own, Days: 90, Until: machineTime{at}}, agreePage{Days: 1}}
	list := clientsPage{May: true, Name: in, Email: in, Faults: faults, Notice: "ended"}
	for _, status := range []string{directory.Active, directory.Invited, directory.Suspended, directory.Ended, directory.Dormant} {
		list.List = append(list.List, clientView{Client: directory.Client{Account: directory.Account{Sub: "x", ActiveAt: at}, Status: status}, Ask: "/"})
	}
	for _, state := range []string{"runs", "replaced", "over", "ended"} {
		for _, kind := range []string{directory.KeySecret, directory.KeyJWK} {
			k := keyView{ClientKey: directory.ClientKey{Kind: kind, Created: at, Ends: at, LastUsed: at}, State: state, Mark: "x", End: "/"}
			list.List[0].Keys = append(list.List[0].Keys, k, keyView{ClientKey: directory.ClientKey{Kind: kind}, State: state})
		}
	}
	all["clients"] = []any{clientsPage{}, list}
	all["clientkey"] = []any{clientKeyPage{}, clientKeyPage{Name: "x", JWK: "x", JWKError: "x", Faults: faults}}
	all["clientmade"] = []any{clientMadePage{}, clientMadePage{Secret: "x", Until: machineTime{at}}, clientMadePage{Program: true}}
	all["clientend"] = []any{clientEndPage{}, clientEndPage{Last: true, Key: list.List[0].Keys[0]}}
	item := approvalView{Approval: directory.Approval{Kind: directory.KindClientKey, State: "pending", RequestedAt: at, Expires: at}, Href: "/"}
	for _, decision := range []string{"", "approve", "refuse"} {
		for running := range 3 {
			key := &directory.ClientKeyChange{Kind: directory.KeyJWK, Running: running, Thumbprint: "x"}
			all["approval"] = append(all["approval"], approvalPage{Item: item, Key: key, Decision: decision})
		}
	}
}

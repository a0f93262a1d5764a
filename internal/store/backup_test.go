package store_test

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ecluse/internal/store"
	"ecluse/internal/store/storetest"

	"github.com/google/go-cmp/cmp"
)

// catalogue is what a database says of its tables: name, then "column kind" in order.
func catalogue(t *testing.T, url string) map[string][]string {
	t.Helper()
	driver, name, query := "pgx", url, `SELECT table_name, column_name, data_type FROM information_schema.columns
		WHERE table_schema = 'public' ORDER BY table_name, ordinal_position`
	if file, lite := strings.CutPrefix(url, "sqlite:"); lite {
		driver, name, query = "sqlite", file, `SELECT m.name, c.name, c.type FROM sqlite_master m JOIN pragma_table_info(m.name) c
			WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid`
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	tables := map[string][]string{}
	for rows.Next() {
		var table, column, kind string
		if err := rows.Scan(&table, &column, &kind); err != nil {
			t.Fatal(err)
		}
		if table != "goose_db_version" {
			tables[table] = append(tables[table], column+" "+strings.ToLower(kind))
		}
	}
	return tables
}

func TestBackupsHoldEveryColumnOfEveryTable(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, url string) {
		storetest.Open(t, url, store.Hooks{})
		kinds := map[store.ColumnKind]string{store.Number: "bigint", store.Text: "text", store.Bytes: "bytea", store.Boolean: "boolean"}
		listed := map[string][]string{}
		for _, table := range store.Tables {
			for _, c := range table.Columns {
				listed[table.Name] = append(listed[table.Name], c.Name+" "+kinds[c.Kind])
			}
		}
		if diff := cmp.Diff(catalogue(t, url), listed); diff != "" {
			t.Error(diff)
		}
	})
}

func TestARowThatDoesNotFitIsRefused(t *testing.T) {
	db := storetest.Open(t, storetest.SQLite(t), store.Hooks{})
	controllers := store.Tables[slices.IndexFunc(store.Tables, func(t *store.Table) bool { return t.Name == "controllers" })]
	for _, row := range [][]any{{int64(1), "a", "b"}, {"1", "a", "b", "c"}, {int64(1), []byte("a"), "b", "c"}, {int64(1), "a", "b", true}} {
		if err := db.Restore(t.Context(), controllers, [][]any{row}); !errors.Is(err, store.ErrRow) || !strings.Contains(fmt.Sprint(err), "controllers") {
			t.Errorf("%v: %v", row, err)
		}
	}
}

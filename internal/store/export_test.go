package store

// PostgresForStatements lets the external tests lend the statement suite a server.
var PostgresForStatements = &postgresForStatements

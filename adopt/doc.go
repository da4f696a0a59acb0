// Package adopt reads what another migration tool recorded in a database, and says what our history has to hold so that nothing
// is applied twice; and the way back, what that tool's table has to hold so that it finds nothing to do.
//
// Guaranteed: nothing is guessed. Which tool's record counts follows from the set's format alone; the record of another tool, two
// records, a migration that failed half-way, one that was changed after it was applied (where the tool records checksums that
// can be computed: sqlx, Flyway) and a record that knows nothing of the set are problems with a remedy.
//
// Not guaranteed: that a table under another name than the tool's default is found; that a number (golang-migrate, tern) was
// counted on the same set; Liquibase's checksums are not compared.
//
// The package is pure: it touches no database, no file and no clock.
package adopt

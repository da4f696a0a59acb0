// Pins the migration tools that the tests compare with. They are built in a copy of this folder, so that their indirect
// requirements stay out of the tree: see ../setup/build.sh.
module github.com/schemagate/schemagate/test/peers

go 1.26.7

require (
	github.com/amacneil/dbmate/v2 v2.29.4
	github.com/golang-migrate/migrate/v4 v4.19.1
	github.com/jackc/tern/v2 v2.3.4
	github.com/pressly/goose/v3 v3.27.1
)

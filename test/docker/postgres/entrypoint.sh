#!/bin/bash
# What the official image does for the variables that our files use: POSTGRES_USER, _PASSWORD, _PASSWORD_FILE, _DB.
set -euo pipefail
user=${POSTGRES_USER:-postgres} db=${POSTGRES_DB:-${POSTGRES_USER:-postgres}}
if [ "$(id -u)" = 0 ]; then
	mkdir -p "$PGDATA" /var/run/postgresql
	chown postgres:postgres "$PGDATA" /var/run/postgresql
	chmod 700 "$PGDATA"
	# A secret may be root's alone.
	[ -z "${POSTGRES_PASSWORD_FILE:-}" ] || POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
	export POSTGRES_PASSWORD
	exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
[ "${1:-postgres}" = postgres ] || exec "$@"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	if [ -z "${POSTGRES_PASSWORD:-}" ]; then
		echo "POSTGRES_PASSWORD is empty" >&2
		exit 1
	fi
	initdb -D "$PGDATA" -U "$user" --no-sync -E UTF8 --locale=C.UTF-8 --auth=trust >/dev/null
	echo 'host all all all scram-sha-256' >>"$PGDATA/pg_hba.conf"
	# On its socket alone: over TCP it answers when it is ready for good.
	pg_ctl -D "$PGDATA" -w -o "-c listen_addresses='' -c fsync=off" start >/dev/null
	psql -v ON_ERROR_STOP=1 -v u="$user" -v p="$POSTGRES_PASSWORD" -U "$user" -d postgres -q <<<"ALTER USER :\"u\" PASSWORD :'p'"
	[ "$db" = postgres ] || psql -v ON_ERROR_STOP=1 -v d="$db" -U "$user" -d postgres -q <<<'CREATE DATABASE :"d"'
	pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null
fi
exec postgres -D "$PGDATA" -c listen_addresses='*'

#!/bin/sh
# Builds a test server unless that was done before, and prints the path of its binary:
#     build.sh consul|ferretdb CACHE_FOLDER
# or a migration tool that the tests compare with: migrate, goose, gooselock, dbmate, tern.
# Consul takes minutes the first time, so the build is niced. Several callers may ask at once: one builds, the others wait.
set -eu
trap 'exit 130' INT TERM
here=$(cd "$(dirname "$0")/.." && pwd)
name=$1
mkdir -p "$2/bin"
bin=$(cd "$2/bin" && pwd)

case $name in
consul | ferretdb) from=$name ;;
migrate | goose | gooselock | dbmate | tern) from=peers ;;
*)
	echo "build.sh: unknown '$name'; known are consul, ferretdb, migrate, goose, gooselock, dbmate and tern" >&2
	exit 64
	;;
esac

# Named after its source, so that a changed version is built anew.
out=$bin/$name-$(cat "$here/$from"/go.* "$here/$from"/*.go "$here/$from"/*/*.go 2>/dev/null | cksum | cut -d' ' -f1)
if [ -z "${SCHEMAGATE_BUILD_LOCKED:-}" ]; then
	if [ ! -x "$out" ]; then
		SCHEMAGATE_BUILD_LOCKED=1 flock "$bin/$name.lock" "$0" "$name" "$2" >/dev/null
	fi
	echo "$out"
	exit 0
fi
[ ! -x "$out" ] || exit 0

echo "building $name (once; minutes on a small machine)" >&2
export CGO_ENABLED=0
set -- -trimpath -ldflags '-s -w' -o "$out.new"
if [ "$from" != ferretdb ]; then
	# Only direct requirements are kept in the tree. Adding the others changes go.mod, so a copy is built; what is chosen is
	# fixed by those versions, and the checksum database vouches for it.
	copy=$(mktemp -d)
	trap 'rm -rf "$copy"' EXIT
	cp -r "$here/$from/." "$copy"
	cd "$copy"
	case $name in
	consul) package=github.com/hashicorp/consul ;;
	migrate) package='-tags=postgres,mysql,sqlite github.com/golang-migrate/migrate/v4/cmd/migrate' ;;
	goose) package='-tags=no_clickhouse,no_libsql,no_mssql,no_vertica,no_ydb github.com/pressly/goose/v3/cmd/goose' ;;
	dbmate | gooselock) package=./$name ;;
	tern) package=github.com/jackc/tern/v2 ;;
	esac
	# shellcheck disable=SC2086 # tags and package are two words
	nice -n 10 go build -mod=mod "$@" $package
else
	cd "$here/$name"
	nice -n 10 go build "$@" .
fi
mv "$out.new" "$out"

#!/bin/sh
# Builds a test server unless that was done before, and prints the path of its binary:
#     build.sh consul|ferretdb CACHE_FOLDER
# Consul takes minutes the first time, so the build is niced. Several callers may ask at once: one builds, the others wait.
set -eu
trap 'exit 130' INT TERM
here=$(cd "$(dirname "$0")/.." && pwd)
name=$1
mkdir -p "$2/bin"
bin=$(cd "$2/bin" && pwd)

case $name in
consul | ferretdb) ;;
*)
	echo "build.sh: unknown server '$name'; known are consul and ferretdb" >&2
	exit 64
	;;
esac

# Named after its source, so that a changed version is built anew.
out=$bin/$name-$(cat "$here/$name"/go.* "$here/$name"/*.go 2>/dev/null | cksum | cut -d' ' -f1)
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
if [ "$name" = consul ]; then
	# Only the direct requirement is kept in the tree. Adding the others changes go.mod, so a copy is built; what is
	# chosen is fixed by that one version, and the checksum database vouches for it.
	copy=$(mktemp -d)
	trap 'rm -rf "$copy"' EXIT
	cp "$here/consul/go.mod" "$copy"
	cd "$copy"
	nice -n 10 go build -mod=mod "$@" github.com/hashicorp/consul
else
	cd "$here/$name"
	nice -n 10 go build "$@" .
fi
mv "$out.new" "$out"

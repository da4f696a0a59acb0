#!/bin/bash
# Makes the images that our Dockerfiles and stacks build on, under their real names and without a registry: stand-ins made of
# Debian's packages and of the servers that the other tests build. engine.sh runs it before the tests.
#     images.sh all|NAME...     NAME is one of debian golang services postgres haproxy consul mongo
# Each is made once: its label says what it was made of.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cache=${SCHEMAGATE_TEST_CACHE:-$root/.cache}
label=schemagate.made-of
path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-bookworm}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { echo "docker: $*" >&2; }

# have IMAGE KEY: the image is there and made of that.
have() { [ "$(docker image inspect -f "{{index .Config.Labels \"$label\"}}" "$1" 2>/dev/null)" = "$2" ]; }

# key WORD|FILE...: a checksum of all that an image is made of.
key() { for part in "$suite" "$@"; do if [ -f "$part" ]; then cat "$part"; else echo "$part"; fi; done | sha256sum | cut -c 1-16; }

# image TAG KEY: builds the Dockerfile on standard input in $work/context.
image() { docker build -q --label "$label=$2" -t "$1" -f - "$work/context" >/dev/null; }

rootfs() {
	[ ! -d "$work/rootfs" ] || return 0
	mkdir "$work/rootfs"
	local container
	container=$(docker create debian:bookworm-slim true)
	docker export "$container" | tar -C "$work/rootfs" -x
	docker rm "$container" >/dev/null
}

debian() {
	local k mirror
	k=$(key debian)
	! have debian:bookworm-slim "$k" || return 0
	# The mirror that this machine uses for everything else.
	mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' | awk -v s="$suite" '$2 == s && $3 == "main" { print $1; exit }')
	say "making debian:bookworm-slim"
	debootstrap --variant=minbase "$suite" "$work/rootfs" "$mirror" >"$work/debootstrap.log" 2>&1 || { tail "$work/debootstrap.log" >&2; return 1; }
	rm -f "$work"/rootfs/var/cache/apt/archives/*.deb
	tar -C "$work/rootfs" -c . | docker import -c "LABEL $label=$k" -c "ENV PATH=$path" - debian:bookworm-slim >/dev/null
}

# golang has this machine's Go, and the modules of go.mod, so that what is built with it needs no network.
golang() {
	local k goroot
	debian
	goroot=$(go env GOROOT)
	k=$(key "$(go version)" "$root/go.mod" "$root/go.sum")
	! have golang:1.26-bookworm "$k" || return 0
	say "making golang:1.26-bookworm"
	rm -rf "$work/context"
	mkdir -p "$work/context/mod"
	# From the module cache of this machine where it has them.
	(cd "$root" && GOMODCACHE=$work/modules GOFLAGS=-modcacherw GOPROXY="file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)" \
		GONOSUMDB='*' go mod download)
	mv "$work/modules/cache/download" "$work/context/mod/"
	cp -L /etc/ssl/certs/ca-certificates.crt "$work/context/"
	tar -C "$goroot" --exclude=./test --exclude=./api --exclude=./doc -cf "$work/context/go.tar" .
	image golang:1.26-bookworm "$k" <<-D
		FROM debian:bookworm-slim
		ADD go.tar /usr/local/go
		COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
		COPY mod/download /go/pkg/mod/cache/download
		ENV GOPATH=/go GOTOOLCHAIN=local GOPROXY=off PATH=/go/bin:/usr/local/go/bin:$path
		WORKDIR /go
	D
}

# services is Debian with the servers that come from its packages.
services() {
	local k
	debian
	k=$(key services)
	! have schemagate-test-services "$k" || return 0
	say "making postgres and haproxy"
	rootfs
	mkdir -p "$work/rootfs/etc/postgresql-common"
	echo 'create_main_cluster = false' >"$work/rootfs/etc/postgresql-common/createcluster.conf"
	printf '#!/bin/sh\nexit 101\n' >"$work/rootfs/usr/sbin/policy-rc.d"
	chmod 755 "$work/rootfs/usr/sbin/policy-rc.d"
	cp -L /etc/resolv.conf "$work/rootfs/etc/resolv.conf"
	# The folder for temporary files may be none in there.
	local apt=(env TMPDIR=/tmp DEBIAN_FRONTEND=noninteractive chroot "$work/rootfs" apt-get -q -y
		-o Dpkg::Options::=--force-confold -o Dpkg::Options::=--force-unsafe-io)
	if ! { "${apt[@]}" update && "${apt[@]}" install --no-install-recommends postgresql haproxy; } >"$work/apt.log" 2>&1; then
		tail -n 40 "$work/apt.log" >&2
		return 1
	fi
	ln -s "$(cd "$work/rootfs" && echo usr/lib/postgresql/*/bin | sed 's,^,/,')" "$work/rootfs/opt/postgresql"
	rm -rf "$work"/rootfs/var/cache/apt/archives/*.deb "$work"/rootfs/var/lib/apt/lists/*
	tar -C "$work/rootfs" -c . | docker import -c "LABEL $label=$k" - schemagate-test-services >/dev/null
	rm -rf "$work/rootfs"
}

postgres() {
	local k
	services
	k=$(key postgres "$here/postgres/entrypoint.sh")
	! have postgres:15 "$k" || return 0
	rm -rf "$work/context"
	cp -r "$here/postgres" "$work/context"
	image postgres:15 "$k" <<-D
		FROM schemagate-test-services
		ENV PATH=/opt/postgresql:$path PGDATA=/var/lib/postgresql/data
		COPY entrypoint.sh /usr/local/bin/docker-entrypoint.sh
		VOLUME /var/lib/postgresql/data
		STOPSIGNAL SIGINT
		EXPOSE 5432
		ENTRYPOINT ["docker-entrypoint.sh"]
		CMD ["postgres"]
	D
}

haproxy() {
	local k
	services
	k=$(key haproxy)
	! have haproxy:2.6 "$k" || return 0
	mkdir -p "$work/context"
	image haproxy:2.6 "$k" <<-D
		FROM schemagate-test-services
		ENV PATH=$path
		USER haproxy
		STOPSIGNAL SIGUSR1
		CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]
	D
}

# server NAME TAG, Dockerfile on standard input: one that build.sh makes.
server() {
	local k binary
	binary=$("$root/test/setup/build.sh" "$1" "$cache")
	k=$(key "${binary##*/}")
	! have "$2" "$k" || return 0
	say "making $2"
	rm -rf "$work/context"
	mkdir -p "$work/context/state"
	ln "$binary" "$work/context/$1" 2>/dev/null || cp "$binary" "$work/context/$1"
	image "$2" "$k"
}

consul() {
	server consul hashicorp/consul:1.19 <<-D
		FROM scratch
		COPY consul /bin/consul
		ENTRYPOINT ["/bin/consul"]
	D
}

# mongo is FerretDB, which speaks MongoDB's protocol and is none.
mongo() {
	server ferretdb mongo:7 <<-D
		FROM scratch
		COPY ferretdb /ferretdb
		COPY state /state
		ENTRYPOINT ["/ferretdb", "-listen", ":27017", "-sqlite-url", "file:/state/"]
	D
}

[ "${1:-}" != all ] || set -- golang postgres haproxy consul mongo
for name; do
	case $name in
	debian | golang | services | postgres | haproxy | consul | mongo) "$name" ;;
	*)
		say "unknown image '$name'"
		exit 64
		;;
	esac
done

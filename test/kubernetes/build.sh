#!/bin/bash
# Builds what a single-node Kubernetes is made of, or helm, from Go modules, unless that was done before:
#     build.sh node|helm
# The node takes five minutes on an idle machine with two cores, and 3 GB of build cache, which is dropped at the end; 160 MB stay.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SCHEMAGATE_TEST_CACHE:-$here/../../.cache}/kubernetes
mkdir -p "$cache/bin"
bin=$(cd "$cache/bin" && pwd)
exec 8>"$cache/lock"
flock 8
export CGO_ENABLED=0 GOCACHE=$cache/gocache GOFLAGS=-mod=mod

case ${1:-} in
helm)
	version=v3.19.5
	[ "$(cat "$bin/helm.version" 2>/dev/null)" != $version ] || exit 0
	echo "kubernetes: building helm (once; minutes)" >&2
	(cd / && GOBIN=$bin nice -n 10 go install -trimpath -ldflags '-s -w' helm.sh/helm/v3/cmd/helm@$version)
	echo $version >"$bin/helm.version"
	;;
node)
	if [ ! -e /usr/lib/cni/bridge ]; then
		echo "kubernetes: installing containernetworking-plugins" >&2
		DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 install --no-install-recommends containernetworking-plugins >/dev/null
	fi
	made=$(cat "$here"/node/*.* | cksum | cut -d ' ' -f 1)
	[ "$(cat "$bin/node.version" 2>/dev/null)" != "$made" ] || exit 0
	echo "kubernetes: building a node (once; many minutes)" >&2
	# Only direct requirements are kept in the tree, so a copy is built: adding the others changes go.mod. What is chosen is fixed by
	# those versions, and the checksum database vouches for it.
	copy=$(mktemp -d)
	trap 'rm -rf "$copy"' EXIT
	cp "$here"/node/* "$copy"
	cd "$copy"
	version=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' go.mod)
	minor=${version#v1.}
	in=k8s.io/component-base/version
	nice -n 10 go build -trimpath -ldflags "-s -w -X $in.gitVersion=$version -X $in.gitMajor=1 -X $in.gitMinor=${minor%%.*}" -o "$bin/hyperk" .
	nice -n 10 go build -trimpath -ldflags '-s -w' -o "$bin/etcd" go.etcd.io/etcd/server/v3
	for part in kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
		ln -sf hyperk "$bin/$part"
	done
	echo "$made" >"$bin/node.version"
	;;
*)
	sed -n 's/^#  *\(build.sh .*\)/\1/p' "$0" >&2
	exit 64
	;;
esac
rm -rf "$cache/gocache"

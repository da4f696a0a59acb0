#!/bin/bash
# A single-node Kubernetes for the tests alone: etcd, API server, controllers, scheduler, kubelet, kube-proxy and a containerd of its
# own, all in a network namespace without a way out. Runs beside a Docker engine, which its images come from:
#     test/docker/engine.sh with test/kubernetes/cluster.sh with CMD...
# CMD runs in the node's namespace, with kubectl and helm on PATH, and `load IMAGE...`, which takes images from the engine to the node.
# Exit code 77: no node can run here, and the reason was said.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SCHEMAGATE_TEST_CACHE:-$here/../../.cache}/kubernetes
netns=schemagate-node
address=192.168.77.1
run=/run/schemagate-node # sockets, logs, keys; a socket's path has to be short
say() { echo "kubernetes: $*" >&2; }
inside() { nsenter --net=/run/netns/$netns "$@"; }
control() { ctr -a $run/containerd.sock -n k8s.io "$@"; }
kubectl() { inside "$bin/kubectl" --kubeconfig $run/admin.conf "$@"; }

# patiently SECONDS CMD...: again and again, until it succeeds.
patiently() {
	local n=$(($1 * 5))
	shift
	while ! "$@" >/dev/null 2>&1; do
		n=$((n - 1))
		[ $n -gt 0 ] || { say "waited in vain for: $*"; return 1; }
		sleep 0.2
	done
}

part() {
	local name=$1
	shift
	setsid nsenter --net=/run/netns/$netns "$@" >"$run/log/$name" 2>&1 </dev/null 9>&- &
	echo $! >"$run/pid/$name"
}

certificates() {
	local user
	openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=ca -keyout ca.key -out ca.crt
	openssl req -newkey rsa:2048 -nodes -subj /CN=kube-apiserver -keyout api.key -out api.csr
	openssl x509 -req -in api.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out api.crt \
		-extfile <(echo "subjectAltName=IP:127.0.0.1,IP:$address,IP:10.96.0.1,DNS:localhost,DNS:kubernetes.default.svc")
	openssl req -newkey rsa:2048 -nodes -subj /O=system:masters/CN=apiserver-kubelet -keyout client.key -out client.csr
	openssl x509 -req -in client.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out client.crt
	openssl genrsa -out sa.key 2048
	for user in admin=system:masters system:kube-controller-manager= system:kube-scheduler= system:kube-proxy= system:node:node1=system:nodes; do
		echo "$(openssl rand -hex 16),${user%=*},${user%=*},${user#*=}"
	done >tokens.csv
}

# access USER FILE
access() {
	cat >"$2" <<-K
		apiVersion: v1
		kind: Config
		clusters: [{name: c, cluster: {server: "https://127.0.0.1:6443", certificate-authority: $run/ca.crt}}]
		users: [{name: u, user: {token: $(awk -F, -v u="$1" '$2 == u { print $1 }' $run/tokens.csv)}}]
		contexts: [{name: x, context: {cluster: c, user: u}}]
		current-context: x
	K
}

network() {
	ip netns add $netns || { say "no network namespace can be made here"; return 77; }
	inside ip link set lo up
	# The default route leads nowhere; without one the kubelet finds no address.
	inside ip link add node0 type bridge
	inside ip addr add $address/24 dev node0
	inside ip link set node0 up
	inside ip route add default dev node0
	inside sysctl -qw net.ipv4.ip_forward=1
	inside sysctl -qw net.bridge.bridge-nf-call-iptables=1 2>/dev/null || true
}

control_plane() {
	part etcd "$bin/etcd" --data-dir "$state/etcd" --unsafe-no-fsync --listen-client-urls http://127.0.0.1:2379 \
		--advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 \
		--initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster default=http://127.0.0.1:2380 --log-level warn
	part kube-apiserver "$bin/kube-apiserver" --etcd-servers http://127.0.0.1:2379 --advertise-address $address --bind-address 0.0.0.0 \
		--tls-cert-file api.crt --tls-private-key-file api.key --client-ca-file ca.crt --token-auth-file tokens.csv \
		--authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
		--service-account-issuer https://kubernetes.default.svc --service-account-key-file sa.key --service-account-signing-key-file sa.key \
		--service-cluster-ip-range 10.96.0.0/16 --allow-privileged --kubelet-client-certificate client.crt --kubelet-client-key client.key \
		--kubelet-preferred-address-types InternalIP
	patiently 300 kubectl get --raw /readyz
	part kube-controller-manager "$bin/kube-controller-manager" --kubeconfig kcm.conf --authentication-kubeconfig kcm.conf \
		--authorization-kubeconfig kcm.conf --use-service-account-credentials --service-account-private-key-file sa.key \
		--root-ca-file ca.crt --leader-elect=false --allocate-node-cidrs=false
	part kube-scheduler "$bin/kube-scheduler" --kubeconfig scheduler.conf --authentication-kubeconfig scheduler.conf \
		--authorization-kubeconfig scheduler.conf --leader-elect=false
}

node() {
	cat >containerd.toml <<-T
		version = 2
		root = "$state/containerd"
		state = "$run/containerd"
		[grpc]
		  address = "$run/containerd.sock"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/schemagate-pause:1"
		  restrict_oom_score_adj = true
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/usr/lib/cni"
		    conf_dir = "$run/cni"
		  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
		    runtime_type = "io.containerd.runc.v2"
	T
	cat >cni/10-bridge.conflist <<-C
		{"cniVersion": "0.4.0", "name": "pods", "plugins": [
		  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipam": {"type": "host-local",
		   "dataDir": "$run/ipam", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
		  {"type": "portmap", "capabilities": {"portMappings": true}}]}
	C
	part containerd containerd -c $run/containerd.toml
	patiently 60 control version
	load localhost/schemagate-pause:1
	: >resolv.conf
	cat >kubelet.yaml <<-Y
		apiVersion: kubelet.config.k8s.io/v1beta1
		kind: KubeletConfiguration
		authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $run/ca.crt}}
		authorization: {mode: Webhook}
		cgroupDriver: cgroupfs
		failSwapOn: false
		failCgroupV1: false
		resolvConf: $run/resolv.conf
		containerRuntimeEndpoint: unix://$run/containerd.sock
		imageGCHighThresholdPercent: 100
		evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
		nodeStatusUpdateFrequency: 4s
		syncFrequency: 10s
	Y
	part kubelet "$bin/kubelet" --config kubelet.yaml --kubeconfig kubelet.conf --root-dir "$state/kubelet" --cert-dir $run/kubelet-pki \
		--hostname-override node1 --node-ip $address
	cat >proxy.yaml <<-Y
		apiVersion: kubeproxy.config.k8s.io/v1alpha1
		kind: KubeProxyConfiguration
		clientConnection: {kubeconfig: $run/proxy.conf}
		mode: iptables
		hostnameOverride: node1
		clusterCIDR: 10.244.0.0/24
		conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
	Y
	part kube-proxy "$bin/kube-proxy" --config proxy.yaml
	patiently 120 kubectl wait --for=condition=Ready --timeout=1s node/node1
	# Pods that are made before it are refused.
	patiently 120 kubectl get serviceaccount default
}

load() {
	local image
	for image; do
		docker save "$image" | control images import - >/dev/null
	done
}

start() {
	bin=$(cd "$cache/bin" && pwd)
	state=$(mkdir -p "$cache/state" && cd "$cache/state" && pwd)
	stop
	mkdir -p "$run"/{log,pid,cni,bin} "$state"
	network
	cd $run
	certificates 2>openssl.log
	access admin admin.conf
	access system:kube-controller-manager kcm.conf
	access system:kube-scheduler scheduler.conf
	access system:kube-proxy proxy.conf
	access system:node:node1 kubelet.conf
	printf '#!/bin/sh\nexec %q --kubeconfig %s/admin.conf "$@"\n' "$bin/kubectl" $run >bin/kubectl
	# Its own folders, and not those of whoever runs this.
	printf '#!/bin/sh\nHOME=%s exec %q --kubeconfig %s/admin.conf "$@"\n' $run "$bin/helm" $run >bin/helm
	printf '#!/bin/sh\nexec %q load "$@"\n' "$here/cluster.sh" >bin/load
	chmod 755 bin/*
	control_plane && node && return
	say "no node came up; the ends of its logs:"
	tail -n 5 log/* >&2
	return 77
}

# ended waits for processes that were told to, and then insists.
ended() {
	local pid
	for pid; do
		for _ in {1..100}; do
			[ -e "/proc/$pid" ] || continue 2
			sleep 0.1
		done
		kill -KILL "$pid" 2>/dev/null || true
	done
}

# stop ends what $run belongs to, this run's or one's that was killed: the parts, the pods, their mounts, namespaces and cgroups.
stop() {
	local name pid pids='' id
	cd /
	for name in kube-proxy kubelet kube-scheduler kube-controller-manager kube-apiserver etcd; do
		if pid=$(cat $run/pid/$name 2>/dev/null) && grep -qaF "$name" "/proc/$pid/cmdline" 2>/dev/null && kill "$pid"; then
			pids+=" $pid"
		fi
	done
	# shellcheck disable=SC2086 # a list
	ended $pids
	if [ -S $run/containerd.sock ] && timeout 5 ctr -a $run/containerd.sock version >/dev/null 2>&1; then
		for id in $(control tasks ls -q); do timeout 20 ctr -a $run/containerd.sock -n k8s.io tasks rm -f "$id" >/dev/null 2>&1 || true; done
	fi
	for pid in $(ps -eo pid,args | awk -v s="-address $run/containerd.sock" 'index($0, s) && /containerd-shim/ { print $1 }'); do
		kill -KILL "$pid" 2>/dev/null || true
	done
	if pid=$(cat $run/pid/containerd 2>/dev/null) && grep -qaF containerd.toml "/proc/$pid/cmdline" 2>/dev/null; then
		kill "$pid"
		ended "$pid"
	fi
	awk -v a="$run/" -v b="$state/" 'index($2, a) == 1 || index($2, b) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r -n 1 umount -l
	# A pod's namespace is known by its address.
	for id in $(ip netns list | awk '/^cni-/ { print $1 }'); do
		if ip -n "$id" -4 addr show 2>/dev/null | grep -qF ' 10.244.0.'; then ip netns del "$id"; fi
	done
	[ ! -e /run/netns/$netns ] || ip netns del $netns
	for id in /sys/fs/cgroup/*/kubepods /sys/fs/cgroup/kubepods; do
		[ ! -d "$id" ] || find "$id" -depth -type d -exec rmdir {} \; 2>/dev/null || true
	done
	rm -rf "$state" 2>/dev/null || true
	find $run -mindepth 1 -maxdepth 1 ! -name lock -exec rm -rf {} + 2>/dev/null || true
}

case ${1:-} in
load)
	shift
	load "$@"
	;;
with)
	shift
	if [ "$(id -u)" != 0 ] || [ -z "${DOCKER_HOST:-}" ]; then
		say "needs root, and a Docker engine: test/docker/engine.sh with $0 with ..."
		exit 77
	fi
	for need in containerd ctr runc iptables openssl /usr/lib/cni/bridge; do
		command -v "$need" >/dev/null || { say "missing: $need (Debian: containerd runc iptables openssl containernetworking-plugins)"; exit 77; }
	done
	for need in hyperk etcd helm; do
		[ -x "$cache/bin/$need" ] || { say "$need is not built: test/kubernetes/build.sh node, and helm"; exit 77; }
	done
	mkdir -p $run
	exec 9>$run/lock
	flock --nonblock 9 || { say "waiting for another run"; flock 9; }
	docker image inspect localhost/schemagate-pause:1 >/dev/null 2>&1 || {
		context=$(mktemp -d)
		(cd "$here/pause" && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$context/pause" main.go)
		printf 'FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT ["/pause"]\n' >"$context/Dockerfile"
		docker build -q -t localhost/schemagate-pause:1 "$context" >/dev/null
		rm -rf "$context"
	}
	at=$PWD
	trap stop EXIT
	trap 'exit 130' INT TERM
	start || exit $?
	cd "$at"
	SCHEMAGATE_TEST_NODE=$run PATH=$run/bin:$PATH nsenter --net=/run/netns/$netns "$@" <&0 9>&- &
	trap 'kill -TERM $! && wait $! || exit 143' INT TERM
	wait $!
	;;
*)
	sed -n 's/^#  *\(.*cluster.sh .*\)/\1/p' "$0" >&2
	exit 64
	;;
esac

#!/bin/bash
# A Docker engine for the tests alone, with nothing but loopback: it runs in a network namespace without a way out, so no test
# can reach a registry, its ports meet no one's, and all that it sets up (bridges, rules, a swarm) goes with the namespace.
# Its images stay in the test cache.
#     engine.sh with CMD...     start it, make the base images, run the command beside it, stop it
#     engine.sh setup           install what it needs (as root on Debian)
# Exit code 77: no engine can run here, or its base images can't be made; the reason was said.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SCHEMAGATE_TEST_CACHE:-$here/../../.cache}
run=/run/schemagate-test # a socket's path has to be short
netns=schemagate-test
say() { echo "docker: $*" >&2; }

setup() {
	local need pattern package missing=()
	for need in /usr/sbin/dockerd=docker.io /usr/bin/docker-compose=docker-compose /usr/sbin/debootstrap=debootstrap \
		/usr/sbin/iptables=iptables /usr/sbin/ip=iproute2 /usr/bin/flock=util-linux; do
		pattern=${need%=*} package=${need#*=}
		[ -e "$pattern" ] || missing+=("$package")
	done
	[ ${#missing[@]} != 0 ] || return 0
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		say "missing: ${missing[*]}; install them as root on Debian"
		exit 77
	fi
	say "installing ${missing[*]}"
	# No package may start its own engine: this is Debian's way to say so.
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod 755 /usr/sbin/policy-rc.d
	fi
	export DEBIAN_FRONTEND=noninteractive
	local apt=(apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0)
	"${apt[@]}" update >/dev/null
	"${apt[@]}" install --no-install-recommends "${missing[@]}" >/dev/null
}

inside() { nsenter --net=/run/netns/$netns "$@"; }

start() {
	mkdir -p "$cache/docker"
	# What a run that was killed left: the engine, and a swarm that would start its tasks again.
	stop
	rm -rf "$cache/docker/swarm"
	if ! ip netns add $netns || ! inside ip link set lo up; then
		say "no network namespace can be made here"
		return 77
	fi
	# Not /etc/docker/daemon.json, which may be someone's.
	echo '{}' >"$run/daemon.json"
	inside setsid dockerd --config-file "$run/daemon.json" --data-root "$(cd "$cache/docker" && pwd)" --exec-root "$run/exec" \
		--pidfile "$run/dockerd.pid" -H "unix://$run/docker.sock" >"$run/log" 2>&1 </dev/null 9>&- &
	local dockerd=$!
	for _ in {1..600}; do
		if docker info >/dev/null 2>&1; then clean; return; fi
		kill -0 $dockerd 2>/dev/null || break
		sleep 0.1
	done
	say "dockerd does not run here; the end of its log:"
	tail -n 15 "$run/log" >&2
	stop
	return 77
}

# clean removes all but the images. It refuses a storage driver that copies every layer whole.
clean() {
	if [ "$(docker info -f '{{.Driver}}')" = vfs ]; then
		say "the file system of $cache has no overlays"
		stop
		return 77
	fi
	docker ps -aq | xargs -r docker rm -fv >/dev/null
	docker network prune -f >/dev/null
	docker volume prune -f >/dev/null
}

# stop ends the engine that $run belongs to, with its containers, and what it left.
stop() {
	local pid
	if pid=$(cat "$run/dockerd.pid" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]; then
		kill "$pid"
		for _ in {1..600}; do
			[ -e "/proc/$pid" ] || break
			sleep 0.1
		done
		[ ! -e "/proc/$pid" ] || { say "dockerd ($pid) does not end"; kill -KILL "$pid"; }
	fi
	[ ! -e /run/netns/$netns ] || ip netns del $netns
	rm -rf "$run/dockerd.pid" "$run/docker.sock" "$run/exec" 2>/dev/null || true
}

case ${1:-} in
setup) setup ;;
with)
	shift
	if [ "$(id -u)" != 0 ]; then
		say "an engine of its own needs root"
		exit 77
	fi
	setup
	mkdir -p "$run"
	exec 9>"$run/lock"
	flock --nonblock 9 || { say "waiting for another run"; flock 9; }
	export DOCKER_HOST=unix://$run/docker.sock DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1 DOCKER_CONFIG=$run/config
	# Debian's client fits Debian's engine; another one may come first on PATH.
	export PATH=$here/bin:$PATH
	trap stop EXIT
	trap 'exit 130' INT TERM
	start || exit $?
	# Outside of the namespace: what is missing has to be fetched.
	"$here/images.sh" all 9>&- || { say "the base images can't be made here"; exit 77; }
	SCHEMAGATE_TEST_ENGINE=$run nsenter --net=/run/netns/$netns "$@" <&0 9>&- &
	trap 'kill -TERM $! && wait $! || exit 143' INT TERM
	wait $!
	;;
*)
	sed -n 's/^#  *\(engine.sh .*\)/\1/p' "$0" >&2
	exit 64
	;;
esac

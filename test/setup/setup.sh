#!/bin/bash
# Brings a Debian machine to the point where every test can run: packages by apt, Consul and FerretDB built from Go modules.
# Says what it does, does nothing twice, and takes a fraction of a second when all is there.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${SCHEMAGATE_TEST_CACHE:-$root/.cache}
say() { echo "setup: $*" >&2; }

# What a test needs, and the package that has it. Patterns, since Debian keeps PostgreSQL's programs off PATH.
needs=(
	'/usr/lib/postgresql/*/bin/initdb  postgresql'
	'/usr/sbin/pgbouncer               pgbouncer'
	'/usr/sbin/mariadbd                mariadb-server'
	'/usr/bin/cc                       gcc'         # the race detector needs cgo
	'/usr/include/stdlib.h             libc6-dev'
	'/usr/bin/flock                    util-linux'
	'/usr/bin/git                      git'
	'/usr/sbin/sshd                    openssh-server'  # serves a repository to the tests
	'/usr/bin/ssh-keygen               openssh-client'
	'/usr/bin/ps                       procps'
	'/usr/bin/openssl                  openssl'
	'/usr/share/ca-certificates        ca-certificates'
	'/usr/sbin/ip                      iproute2'
	'/usr/sbin/nft                     nftables'    # loses packets in the tests' own network namespaces
	'/usr/bin/promtool                 prometheus'  # checks the metrics and the dashboard
	'/usr/bin/chromium                 chromium'    # opens the page
	'/usr/sbin/haproxy                 haproxy'     # balances the rolling deploy
	'/usr/bin/wrk                      wrk'         # loads the probes in make bench
	'/usr/share/bash-completion/bash_completion  bash-completion'
	'/usr/bin/groff                    groff-base'  # reads the man pages
	'/usr/bin/alembic                  alembic'     # a migrator that is not ours
	'/usr/lib/python3/dist-packages/psycopg2  python3-psycopg2'
)

check_go() {
	local want have
	want=$(awk '$1 == "go" { print $2 }' "$root/go.mod")
	if ! command -v go >/dev/null; then
		say "Go $want or newer is needed, and no go is on PATH; see https://go.dev/doc/install"
		exit 1
	fi
	have=$(GOTOOLCHAIN=local go env GOVERSION)
	have=${have#go}
	if [ "$(printf '%s\n' "$want" "${have%% *}" | sort -V | head -n 1)" != "$want" ]; then
		say "Go $want or newer is needed (go.mod); $(command -v go) is $have; see https://go.dev/doc/install"
		exit 1
	fi
}

missing_packages() {
	local need pattern package
	for need in "${needs[@]}"; do
		read -r pattern package <<<"$need"
		# On systems where /usr is not merged, programs may be in /bin and /sbin.
		compgen -G "$pattern" >/dev/null || compgen -G "${pattern#/usr}" >/dev/null || echo "$package"
	done
	# Node may come from anywhere.
	command -v node >/dev/null || echo nodejs
	command -v npm >/dev/null || echo npm
}

install_packages() {
	local missing policy=/usr/sbin/policy-rc.d
	missing=$(missing_packages | xargs)
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		say "missing: $missing; install them as root, on Debian with: apt-get install --no-install-recommends $missing"
		exit 1
	fi
	say "installing $missing"
	# The tests start servers of their own: a package's service must neither start nor take a port. This is
	# Debian's way to say so; a policy that the machine has already is left alone.
	if [ ! -e $policy ]; then
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
		printf '#!/bin/sh\nexit 101\n' >$policy
		chmod 755 $policy
	fi
	export DEBIAN_FRONTEND=noninteractive
	local apt=(apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0)
	"${apt[@]}" update
	# shellcheck disable=SC2086 # a list
	"${apt[@]}" install --no-install-recommends $missing
	missing=$(missing_packages | xargs)
	if [ -n "$missing" ]; then
		say "still missing after the installation: $missing"
		exit 1
	fi
}

check_go
install_packages
for server in consul ferretdb; do
	"$root/test/setup/build.sh" $server "$cache" >/dev/null
done

#!/bin/bash
# Known vulnerabilities in what the binary calls, and secrets in the tree and in its history. Says what it could not look at, and why;
# a scan that finds nothing counts only where it finds a planted secret.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bin=${SCHEMAGATE_TEST_CACHE:-$root/.cache}/bin
govulncheck=golang.org/x/vuln/cmd/govulncheck@v1.9.0
gitleaks=github.com/zricethezav/gitleaks/v8@v8.30.1
cd "$root"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# tool builds a pinned one, once per version.
tool() {
	local name=${1##*/}
	[ "$1" = "$gitleaks" ] && name=gitleaks || name=${name%@*}
	local want=$bin/$name-${1##*@}
	if [ ! -x "$want" ]; then
		echo "audit: building $1" >&2
		GOFLAGS=-buildvcs=false GOBIN=$scratch/bin nice -n 10 go install "$1" || return 1
		mkdir -p "$bin"
		mv "$scratch/bin/$name" "$want"
	fi
	echo "$want"
}

vulnerabilities() {
	local program status=0
	program=$(tool $govulncheck) || { echo "audit: NOT RUN: govulncheck, which can't be built here"; return; }
	"$program" ${GOVULNDB:+-db "$GOVULNDB"} ./... >"$scratch/vulnerabilities" 2>&1 || status=$?
	if [ $status != 0 ] && grep -q 'fetching vulnerabilities' "$scratch/vulnerabilities"; then
		echo "audit: NOT RUN: govulncheck, whose database is not reached (GOVULNDB names another): $(grep -m 1 'fetching vulnerabilities' "$scratch/vulnerabilities")"
		return
	fi
	cat "$scratch/vulnerabilities"
	[ $status = 0 ] || failed=1
}

# scan runs gitleaks with our configuration; 9 means found.
scan() {
	local status=0
	"$program" "$@" --config "$root/.gitleaks.toml" --no-banner --redact --exit-code 9 --log-level warn -v >"$scratch/leaks" 2>&1 || status=$?
	return $status
}

secrets() {
	local program status
	git rev-parse --verify -q HEAD >/dev/null 2>&1 || { echo "audit: NOT RUN: the secret scan, since this is no git repository"; return; }
	program=$(tool $gitleaks) || { echo "audit: NOT RUN: gitleaks, which can't be built here"; return; }
	mkdir "$scratch/planted"
	# Put together here, so that it is none of ours.
	printf 'token = "%s%s"\n' ghp_ "$(head -c 500 /dev/urandom | base64 | tr -dc 'A-Za-z0-9' | head -c 36)" >"$scratch/planted/app.conf"
	status=0
	scan dir "$scratch/planted" || status=$?
	if [ $status != 9 ]; then
		echo "audit: the secret scan does not find a planted token (exit $status):"
		cat "$scratch/leaks"
		failed=1
		return
	fi
	mkdir "$scratch/tree"
	git ls-files -z | xargs -0 cp --parents -t "$scratch/tree"
	local what
	for what in "dir $scratch/tree" "git $root"; do
		status=0
		# shellcheck disable=SC2086 # a command and its place
		scan $what || status=$?
		if [ $status != 0 ]; then
			echo "audit: secrets (${what%% *}), exit $status; what is none is listed with its reason in .gitleaks.toml:"
			cat "$scratch/leaks"
			failed=1
		fi
	done
	[ $failed != 0 ] || echo "audit: no secret in the tree and in $(git rev-list --count HEAD) commits; a planted one is found"
}

vulnerabilities
secrets
exit $failed

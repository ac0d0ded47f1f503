#!/bin/sh
# Installs what the Node and C smoke tests need, and says which of the two can
# run: their names on standard output, why one cannot on standard error. Both
# are optional: a client that is missing makes its test skip.
#
#	setup.sh              install what is missing, as far as that is possible
#	setup.sh --missing    install nothing, and only say what cannot run
set -u
cd "$(dirname "$0")" || exit 1
[ "${1-}" = --missing ] && look=1 || look=

has_node() { command -v node >/dev/null && [ -d clients/node/node_modules/@nats-io/transport-node ]; }
current_node() { (cd clients/node && npm ls >/dev/null 2>&1); }
has_c() { command -v cc >/dev/null && echo '#include <nats/nats.h>' | cc -E - >/dev/null 2>&1; }

if [ -z "$look" ]; then
	if command -v npm >/dev/null && ! current_node; then
		(cd clients/node && timeout 180 npm ci --no-audit --no-fund --fetch-retries 1 --fetch-timeout 30000) >&2
	fi
	if ! has_c && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
		{ timeout 120 apt-get update -qq -o Acquire::Retries=0 -o Acquire::http::Timeout=20 &&
			DEBIAN_FRONTEND=noninteractive timeout 240 apt-get install -y -qq -o Acquire::Retries=0 gcc libc6-dev libnats-dev; } >&2
	fi
fi

runs=
# What is half installed counts as missing.
if has_node && current_node; then
	runs=node
else
	echo "not run: the Node client (it takes node and npm, and make -C conformance setup)" >&2
fi
if has_c; then
	runs="$runs c"
else
	echo "not run: the C client (it takes cc and libnats-dev; make -C conformance setup installs them on Debian, as root)" >&2
fi
[ -n "$look" ] || echo "${runs# }"

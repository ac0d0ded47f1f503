#!/bin/sh
# Installs what the Node and C smoke tests need. Both parts are optional: a
# client that is missing makes its test skip, and the scoreboard says so.
set -u
cd "$(dirname "$0")" || exit 1
status=0

if command -v npm >/dev/null 2>&1; then
	(cd clients/node && npm ci --no-audit --no-fund) || status=1
else
	echo "setup: no npm, the Node client is left out" >&2
fi

if ! echo '#include <nats/nats.h>' | cc -E - >/dev/null 2>&1; then
	if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq gcc libc6-dev libnats-dev || status=1
	else
		echo "setup: install gcc and libnats-dev for the C client" >&2
	fi
fi
exit $status

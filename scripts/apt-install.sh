#!/bin/sh
# apt-install.sh WHY PACKAGE... : installs Debian packages as root, after saying so on one line.
# Asks nothing, installs nothing that is only recommended, and shows apt's own output only when it fails.
set -eu

why=$1
shift
if ! command -v apt-get > /dev/null || [ "$(id -u)" != 0 ]; then
    echo "cannot install $* ($why): that needs root on Debian or Ubuntu; install it by hand and run this again" >&2
    exit 1
fi

echo "installing $* with apt-get ($why)"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive

install() {
    apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" < /dev/null > "$log" 2>&1
}

# Package lists may be missing (a fresh machine) or name files that are gone: then they are renewed, once.
if ! install "$@"; then
    apt-get update -q -o DPkg::Lock::Timeout=300 < /dev/null > "$log" 2>&1 && install "$@" || {
        tail -n 20 "$log" >&2
        echo "apt-get could not install $*; its last lines are above" >&2
        exit 1
    }
fi

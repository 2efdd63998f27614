#!/bin/sh
# venv.sh DIR : a virtual environment with exactly what requirements/dev.lock names, and this project in it.
# Each file is checked against its hash. A half-made environment is made anew.
set -eu

venv=$1
here=$(dirname "$0")

fail() {
    echo "no virtual environment: $*" >&2
    exit 1
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null
}

find_python() {
    for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if new_enough "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

if ! python=$(find_python); then
    "$here/apt-install.sh" "no Python 3.11 or newer is here" python3 python3-venv ||
        fail "Python 3.11 or newer is needed; PYTHON=/path/to/python3 names one"
    python=$(find_python) || fail "this release's Python is older than 3.11; PYTHON=/path/to/python3 names another"
fi

if ! "$venv/bin/python" -m pip --version > /dev/null 2>&1; then
    # Debian ships venv without ensurepip, which lives in python3-venv.
    "$python" -c 'import ensurepip' 2> /dev/null ||
        "$here/apt-install.sh" "Python's venv lacks pip without it" python3-venv ||
        fail "$python has no ensurepip"
    "$python" -m venv --clear "$venv"
fi

echo "installing the packages of requirements/dev.lock into $venv"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$venv/bin/python" -m pip --disable-pip-version-check install --no-input --require-hashes \
    -r requirements/dev.lock < /dev/null > "$log" 2>&1 &&
    "$venv/bin/python" -m pip --disable-pip-version-check install --no-input --no-deps --no-build-isolation \
        -e . < /dev/null >> "$log" 2>&1 || {
    tail -n 20 "$log" >&2
    fail "pip failed; its last lines are above"
}

#!/bin/sh
# lock.sh VENV : compiles requirements/*.in to lock files with hashes that name no download host and no machine's path.
set -eu

cd "$(dirname "$0")/../requirements"
uv=../$1/bin/uv
[ -x "$uv" ] || "../$1/bin/python" -m pip install -q uv
for name in base dev bench readers mutation; do
    {
        echo "# Compiled from $name.in with hashes for Python 3.11 and newer, any platform: \`make lock\` renews it."
        "$uv" pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
            --no-strip-extras --no-emit-index-url --no-emit-find-links --no-header "$name.in"
    } > "$name.lock.new"
    mv "$name.lock.new" "$name.lock"
done

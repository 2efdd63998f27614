#!/bin/sh
# Starts PostgreSQL the way the official image does. The first run prepares the data in a folder beside its place and
# moves it there with PG_VERSION last: PGDATA holds either a whole cluster or one that the next start completes.
set -eu

PGDATA=${PGDATA:-/var/lib/postgresql/data}
export PGDATA
staging=$PGDATA/.first-run

fail() {
    echo "postgres image: $*" >&2
    exit 1
}

# NAME and NAME_FILE (a mounted secret) exclude each other; the third argument is the default.
setting() {
    eval "value=\${$1:-} file=\${$1_FILE:-}"
    [ -z "$value" ] || [ -z "$file" ] || fail "$1 and $1_FILE are both set: set one of them"
    if [ -n "$file" ]; then
        [ -r "$file" ] || fail "$1_FILE names $file, which cannot be read"
        value=$(cat "$file")
    fi
    printf '%s' "${value:-${2:-}}"
}

run_init_files() {
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
            *.sh) echo "postgres image: running $file"; sh "$file" ;;
            *.sql) echo "postgres image: running $file"; psql -v ON_ERROR_STOP=1 -q -f "$file" ;;
            *.sql.gz) echo "postgres image: running $file"; gunzip -c "$file" | psql -v ON_ERROR_STOP=1 -q ;;
        esac
    done
}

prepare_cluster() {
    user=$(setting POSTGRES_USER postgres)
    password=$(setting POSTGRES_PASSWORD)
    database=$(setting POSTGRES_DB "$user")
    method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    [ -n "$password" ] || [ "$method" = trust ] ||
        fail "POSTGRES_PASSWORD is empty: set it, or POSTGRES_HOST_AUTH_METHOD=trust to let everyone in"

    rm -rf "$staging"
    umask 077
    secret=$(mktemp)
    printf '%s\n' "${password:-unused}" > "$secret"
    # shellcheck disable=SC2086  # POSTGRES_INITDB_ARGS is a list of words, as in the official image
    initdb -D "$staging" --username="$user" --pwfile="$secret" --auth-local=trust --auth-host=scram-sha-256 \
        ${POSTGRES_INITDB_ARGS:-} > /dev/null
    rm -f "$secret"
    printf '\nhost all all all %s\n' "$method" >> "$staging/pg_hba.conf"

    pg_ctl -D "$staging" -s -w -o "-c listen_addresses='' -c unix_socket_directories=/tmp" start > /dev/null
    export PGHOST=/tmp PGUSER="$user" PGDATABASE=postgres
    [ "$database" = postgres ] ||
        echo 'CREATE DATABASE :"name"' | psql -v ON_ERROR_STOP=1 -v name="$database" -q
    PGDATABASE=$database
    POSTGRES_USER=$user POSTGRES_DB=$database run_init_files
    pg_ctl -D "$staging" -s -w -m fast stop
    unset PGHOST PGUSER PGDATABASE
    touch "$staging/.complete"
}

# Each rename is whole, so an interruption at any point leaves what the next start needs to go on.
move_into_place() {
    for file in "$staging"/*; do
        [ "$file" = "$staging/PG_VERSION" ] || mv "$file" "$PGDATA/"
    done
    mv "$staging/PG_VERSION" "$PGDATA/"
    rm -rf "$staging"
}

case "${1:-postgres}" in
    -*) set -- postgres "$@" ;;
esac

if [ "${1:-}" = postgres ]; then
    if [ "$(id -u)" = 0 ]; then
        mkdir -p "$PGDATA" /var/run/postgresql
        chmod 700 "$PGDATA"
        find "$PGDATA" /var/run/postgresql \! -user postgres -exec chown postgres:postgres {} +
        exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
    fi
    if [ ! -s "$PGDATA/PG_VERSION" ]; then
        [ -e "$staging/.complete" ] || prepare_cluster
        move_into_place
    fi
fi
exec "$@"

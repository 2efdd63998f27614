#!/bin/sh
# Starts Redis the way the official image does: options alone are options of redis-server, root is given up, and the
# server takes this process's place, so that SIGTERM reaches it and it saves before it ends.
set -eu

case "${1:-}" in
    -* | *.conf) set -- redis-server "$@" ;;
esac

if [ "${1:-}" = redis-server ] && [ "$(id -u)" = 0 ]; then
    find . \! -user redis -exec chown redis:redis {} +
    exec setpriv --reuid=redis --regid=redis --init-groups "$0" "$@"
fi

# Without a configuration file the network of the container decides who reaches Redis, not Redis itself.
# A file of the user's own stays in charge of that. Options that follow win over these.
if [ "${1:-}" = redis-server ]; then
    shift
    case "${1:-}" in
        "" | --*) set -- redis-server --bind '*' '-::*' --protected-mode no "$@" ;;
        *) set -- redis-server "$@" ;;
    esac
fi
exec "$@"

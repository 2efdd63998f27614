#!/bin/sh
# Sees to it that a Docker Engine answers: the one that is there, else Debian's own, installed and started.
#
# An engine named by DOCKER_HOST or DOCKER_CONTEXT is the user's choice: if it does not answer, nothing is put in its
# place. Nothing is installed without a line that says so. Run again it finds the engine and changes nothing.
# Exit code 3: there is none, and none can be installed here. 1: there is one, and it does not work.
set -eu

here=$(dirname "$0")
log=${SUTAZAI_ENGINE_LOG:-/var/log/sutazai-dockerd.log}
deadline=60 # seconds to wait for the API after a start

fail() {
    echo "no Docker Engine: $*" >&2
    exit 1
}

none() {
    echo "no Docker Engine: $*" >&2
    exit 3
}

# The version of the engine that answers. A client alone is not enough: it may be installed without any engine.
engine_version() {
    if command -v docker > /dev/null; then
        timeout 20 docker version --format '{{.Server.Version}}' 2> /dev/null
    else
        python3 "$here/engine_version.py" 2> /dev/null
    fi
}

found() {
    version=$(engine_version) && [ -n "$version" ]
}

# One that keeps its state elsewhere is somebody's second engine and will never answer where we ask.
running_dockerd() {
    for process in /proc/[0-9]*; do
        [ "$(cat "$process/comm" 2> /dev/null)" = dockerd ] || continue
        tr '\0' '\n' < "$process/cmdline" 2> /dev/null | grep -qE '^--(exec-root|pidfile)' || return 0
    done
    return 1
}

# A daemon that was killed leaves its pid behind. Once another process has that number, the next daemon would refuse to
# start, or wait for a containerd that is not there.
remove_stale_files() {
    for pair in dockerd:/var/run/docker.pid containerd:/var/run/docker/containerd/containerd.pid; do
        name=${pair%%:*} file=${pair#*:}
        [ -s "$file" ] || continue
        [ "$(cat "/proc/$(cat "$file")/comm" 2> /dev/null)" = "$name" ] || rm -f "$file"
    done
    socket=/run/containerd/containerd.sock
    if [ -S "$socket" ] && ! grep -q "$socket\$" /proc/net/unix; then
        rm -f "$socket"
    fi
}

start_daemon() {
    if [ -d /run/systemd/system ]; then
        echo "starting docker.service"
        systemctl start docker || fail "systemctl start docker failed; journalctl -u docker says why"
    elif running_dockerd; then
        echo "waiting for the dockerd that is starting already"
    else
        echo "starting dockerd, which logs to $log"
        remove_stale_files
        # Nothing of ours may stay open in it: whoever waits for the end of our output would wait for the daemon.
        setsid nohup dockerd < /dev/null >> "$log" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
        daemon=$!
    fi
}

wait_for_engine() {
    end=$(($(date +%s) + deadline))
    until found; do
        # The one that seemed to be starting may have been on its way out.
        [ -n "${daemon:-}" ] || [ -d /run/systemd/system ] || running_dockerd || start_daemon
        if [ -n "${daemon:-}" ] && ! kill -0 "$daemon" 2> /dev/null; then
            show_log
            fail "dockerd ended at once; $log has it all"
        fi
        if [ "$(date +%s)" -ge "$end" ]; then
            show_log
            fail "dockerd does not answer after $deadline s; $log has it all"
        fi
        sleep 0.2
    done
}

show_log() {
    [ ! -f "$log" ] || tail -n 15 "$log" >&2
}

if found; then
    echo "Docker Engine $version answers"
    exit 0
fi

chosen=${DOCKER_HOST:-${DOCKER_CONTEXT:-}}
[ -z "$chosen" ] || [ "$chosen" = default ] ||
    fail "$chosen does not answer. Start it, or unset DOCKER_HOST and DOCKER_CONTEXT to use one on this machine"

if [ "$(id -u)" != 0 ]; then
    [ ! -S /var/run/docker.sock ] || [ -w /var/run/docker.sock ] ||
        fail "/var/run/docker.sock is not yours to use. Join its group (usermod -aG docker NAME) and log in again"
    command -v dockerd > /dev/null && fail "start the one that is installed here (as root: systemctl start docker)"
    none "install one (docs.docker.com/engine/install), or run this as root on Debian or Ubuntu"
fi

if ! command -v dockerd > /dev/null; then
    "$here/apt-install.sh" "no Docker Engine is here" docker.io iptables ||
        none "install one (docs.docker.com/engine/install) and run this again"
fi
found || start_daemon
wait_for_engine
echo "Docker Engine $version answers"

# shellcheck shell=sh
# Copyright (c) 2026, the paranoid.backup authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What every tool here shares: where things lie, and how to speak. Sourced by scripts that set $here first.
# shellcheck disable=SC2034,SC2154 # the variables of those who source this

root=$(cd "$here/../.." && pwd)
cache=${PARANOID_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/paranoid-backup}
local_cache=$root/.cache

# Ansible refuses to start under any other encoding, and a bare Debian has none.
export LC_ALL=C.UTF-8
suites="bookworm trixie"

# Podman's defaults may exceed what this machine allows, and then no container starts.
limits="--ulimit nofile=1024:1024 --ulimit nproc=1000:1000"
containers_conf=$local_cache/containers.conf
if [ -e "$containers_conf" ]; then
    export CONTAINERS_CONF="$containers_conf"
fi

# The base image of a Debian release, by the name that tests/tools/images gave it: image_of SUITE
image_of() {
    cat "$local_cache/images/$1"
}

# Ansible keeps its connections to a lab's hosts open for a while; end them: end_connections LAB
end_connections() {
    for socket in "$HOME/.ansible/cp/$1"/*; do
        [ ! -S "$socket" ] || ssh -F none -o ControlPath="$socket" -O exit lab 2>/dev/null || true
    done
    rm -rf "$HOME/.ansible/cp/$1"
}

say() {
    printf '\033[1m==> %s\033[0m\n' "$*" >&2
}

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# The first 16 hex digits of a SHA-256 over standard input: the name of a cached thing is the hash of its inputs.
key() {
    sha256sum | cut -c1-16
}

# Run a command whose output matters only when it fails: quietly LOG WHAT COMMAND...
quietly() {
    quietly_log=$1
    quietly_what=$2
    shift 2
    mkdir -p "$(dirname "$quietly_log")"
    if ! "$@" >"$quietly_log" 2>&1; then
        tail -n 20 "$quietly_log" >&2
        die "cannot $quietly_what; the whole output is in $quietly_log"
    fi
}

# Call a function with each of the following words, all at once; fail when one of them failed: each FUNCTION WORD...
each() {
    each_function=$1
    each_jobs=
    shift
    for each_word in "$@"; do
        "$each_function" "$each_word" &
        each_jobs="$each_jobs $!"
    done
    for each_job in $each_jobs; do
        wait "$each_job"
    done
}

# Where a tree of some gigabytes is made that is thrown away: in memory, three times as fast, where there is room for it.
scratch() {
    scratch_room=$(df --output=avail --block-size=1M /dev/shm 2>/dev/null | tail -n 1)
    scratch_memory=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
    if [ "${scratch_room:-0}" -gt 4000 ] && [ "${scratch_memory:-0}" -gt 6000 ]; then
        echo /dev/shm
    else
        echo "${TMPDIR:-/tmp}"
    fi
}

# Shared by the scripts beside this folder: saying what happens, and having what is needed.
# shellcheck shell=bash

# The broker stands where only root has its path on Debian and Ubuntu.
PATH="$PATH:/usr/sbin:/sbin:/usr/local/sbin"

say() { printf '%s\n' "$*"; }

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Ends the script unless a Swift toolchain of at least 6.2 is at hand.
need_swift() {
    command -v swift >/dev/null 2>&1 ||
        fail "there is no swift here. Install a toolchain of Swift 6.2 or later: https://www.swift.org/install/linux"
    local version
    version=$(swift --version 2>/dev/null) || fail "swift does not start; run 'swift --version' to see why"
    [[ $version =~ Swift\ version\ ([0-9]+)\.([0-9]+) ]] || return 0
    if ((BASH_REMATCH[1] < 6 || (BASH_REMATCH[1] == 6 && BASH_REMATCH[2] < 2))); then
        fail "Swift ${BASH_REMATCH[1]}.${BASH_REMATCH[2]} is too old; 6.2 is needed: https://www.swift.org/install/linux"
    fi
}

is_installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# Installs those of the named Debian packages that are missing, and says so. Does nothing when all are there.
need_packages() {
    local package missing=()
    command -v apt-get >/dev/null 2>&1 || {
        have_equivalents && return
        fail "this is no Debian or Ubuntu; install what corresponds to: $*"
    }
    for package in "$@"; do is_installed "$package" || missing+=("$package"); done
    ((${#missing[@]})) || return 0

    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null 2>&1 || fail "as root, run: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    say "Installing ${missing[*]} ${as_root[*]:+with sudo}"
    "${as_root[@]}" apt-get update -q || say "The package lists could not be brought up to date; trying with those at hand."
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" ||
        fail "these packages could not be installed: ${missing[*]}"
}

# What the packages bring, on a system without apt.
have_equivalents() {
    local program
    for program in git pkg-config mosquitto mosquitto_sub; do command -v "$program" >/dev/null 2>&1 || return 1; done
    pkg-config --exists libmosquitto sqlite3
}

# Says how long the build takes when there is none yet.
announce_build() {
    if [[ -d .build/debug ]]; then
        say "Building $1"
    else
        say "Building $1: the first time takes 5 to 15 minutes, mostly for the libraries; later ones take seconds."
    fi
}

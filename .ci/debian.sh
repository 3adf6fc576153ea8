# Sourced: installs Debian's packages of programs that are missing. Needs CI_SCRATCH.

# install_missing NAME PROGRAM[:PACKAGE]...   (the log of apt is CI_SCRATCH/NAME.log)
install_missing() {
    local log="$CI_SCRATCH/$1.log" missing=() program
    for program in "${@:2}"; do
        command -v "${program%:*}" >/dev/null || missing+=("${program#*:}")
    done
    ((${#missing[@]})) || return 0
    ((EUID == 0)) || { echo "not installed: ${missing[*]}; run this as root, or install them" >&2; exit 1; }
    echo "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # Daemons are the tests' to start. A policy that is there already stays.
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod +x "$policy"
    fi
    apt-get update -qq
    apt-get install --yes --no-install-recommends -qq -o Dpkg::Use-Pty=0 "${missing[@]}" > "$log" 2>&1 ||
        { tail --lines=20 "$log" >&2; exit 1; }
}

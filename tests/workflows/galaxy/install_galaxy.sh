#!/usr/bin/env bash
# Install a Galaxy server with its web client, planemo, and the driver of the browser test, pinned, as Python packages in a virtual
# environment of their own.
# usage: install_galaxy.sh DIR (PYTHON names the interpreter that it is made from)
set -euo pipefail
dir=$1
galaxy=26.1.2
planemo=0.75.47
scratch=$(mktemp --directory)
trap 'rm --recursive --force "$scratch"' EXIT

# What Galaxy was released with: its own pins travel in the package of its application. Of certifi the newest is right.
"${PYTHON:-python3}" -m venv "$dir"
"$dir/bin/pip" download --quiet --no-deps --dest "$scratch" "galaxy-app==$galaxy"
"$dir/bin/python" -m zipfile --extract "$scratch"/galaxy_app-*.whl "$scratch"
grep --extended-regexp '^[A-Za-z0-9]' "$scratch/galaxy/dependencies/pinned-requirements.txt" |
    grep --invert-match '^certifi==' > "$dir/constraints.txt"

"$dir/bin/pip" install --quiet --constraint "$dir/constraints.txt" \
    "galaxy-web-apps==$galaxy" "galaxy-web-client==$galaxy" "planemo==$planemo" 'kombu[redis]' playwright
"$dir/bin/pip" check

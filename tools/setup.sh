#!/usr/bin/env bash
# Everything `make demo` and `make test` need: a virtual environment with the package in it, and software GL for rendering
# without a screen. Run by make; skipped once done. What needs root and may not be had is said as a line to type.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
stamp=$venv/.installed

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

as_root() {   # apt wants root: as we are, through a sudo that asks nothing, or not at all
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
    else return 1; fi
}

apt_install() {
    command -v apt-get >/dev/null || return 1
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 && return 0
    as_root apt-get update -qq >/dev/null 2>&1 && as_root apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1
}

suits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; }

python=
for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
    if suits "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
    say "unified needs Python 3.11, 3.12 or 3.13 and found none of them."
    say "if one lies outside the PATH:    make PYTHON=/path/to/python3.12 demo"
    exit 1
fi

# The package is installed again when what it depends on changed or the checkout moved, not when a lint rule did.
digest=$("$python" - <<'PY'
import hashlib, json, os, sys, tomllib
with open("pyproject.toml", "rb") as file:
    table = tomllib.load(file)
text = json.dumps([table["project"], table["build-system"], os.getcwd(), sys.version_info[:2]], sort_keys=True)
print(hashlib.sha256(text.encode()).hexdigest())
PY
)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$digest" ] && [ -x "$venv/bin/unified" ]; then
    touch "$stamp"
    exit 0
fi

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    say "installing python$version-venv (apt)"
    if ! apt_install "python$version-venv" || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        say "Python has no venv module here. Type this line, then make again:"
        say "    sudo apt-get update && sudo apt-get install -y python$version-venv"
        exit 1
    fi
fi

# Always a fresh environment, and torch with torchvision in one command: torchvision only imports beside the build of torch it
# was made for, and an environment that already holds another torch is how one ends up with two that do not match.
say "installing unified into $venv (several GB the first time, some minutes)"
rm -f "$stamp"
"$python" -m venv --clear "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --editable '.[dev]'

# Software GL. Either library is enough; newer distributions have dropped OSMesa.
has_library() { "$venv/bin/python" -c 'import sys; from ctypes.util import find_library; sys.exit(find_library(sys.argv[1]) is None)' "$1"; }
missing=()
has_library OSMesa || missing+=(libosmesa6)
has_library EGL || missing+=(libegl1)
refused=()
for package in ${missing[@]+"${missing[@]}"}; do
    say "installing $package (apt)"
    apt_install "$package" || refused+=("$package")
done
if [ ${#refused[@]} -gt 0 ]; then
    if has_library OSMesa || has_library EGL; then say "left out: ${refused[*]} (one of libosmesa6 and libegl1 is enough)"
    else
        say "Rendering needs a software GL, which could not be installed from here. Type:"
        say "    sudo apt-get update && sudo apt-get install -y ${refused[*]}"
    fi
fi

echo "$digest" > "$stamp"

#!/usr/bin/env bash
# Everything from one command, in an environment of its own (.venv here):
#   ./run.sh                 measure configs/quick.toml, then print which design won and why
#   ./run.sh test [ARGS]     run the tests; ARGS go to pytest
#   ./run.sh bench [--json]  print our speed as ratios to a reference
# stdout is data (the answer, the tests, the ratios), stderr is talk.
set -euo pipefail
cd "$(dirname "$0")"

say() {
    printf 'run.sh: %s\n' "$*" >&2
}

usage() {
    sed -n '3,5s/^#   //p' run.sh >&2
    exit 2
}

refuse() {
    say "$*"
    exit 3
}

# Make .venv, or leave it alone while pyproject.toml and this folder are what they were.
environment() {
    local stamp python=${PYTHON:-python3}
    stamp="$PWD $(sha256sum < pyproject.toml)"
    if [ -x .venv/bin/python ] && [ "$(cat .venv/made-from 2> /dev/null)" = "$stamp" ]; then
        return
    fi
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null ||
        refuse "needs Python 3.11 or newer as $python; PYTHON=/path/to/python3.11 names another"
    say "making the environment in .venv"
    "$python" -m venv .venv >&2 ||
        refuse "$python -m venv failed; on Debian and Ubuntu: apt install python3-venv"
    .venv/bin/python -m pip install --quiet --editable '.[dev]' >&2 ||
        refuse "the packages of pyproject.toml could not be installed into .venv"
    printf '%s\n' "$stamp" > .venv/made-from
}

# A folder a run, so that no answer is lost and two can be compared.
quick() {
    local results
    results="results/quick-$(date +%Y%m%d-%H%M%S)"
    .venv/bin/numaperf sweep --config configs/quick.toml --out "$results" >&2
    say "the rows are in $results; this is numaperf compare $results --by design"
    .venv/bin/numaperf compare "$results" --by design
}

verb=${1:-}
[ $# -eq 0 ] || shift
case "$verb" in
    "")
        environment
        quick
        ;;
    test)
        environment
        exec .venv/bin/python -m pytest "$@"
        ;;
    bench)
        [ "$*" = "" ] || [ "$*" = --json ] || usage
        environment
        exec .venv/bin/python -m benchmarks "$@"
        ;;
    *) usage ;;
esac

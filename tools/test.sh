#!/usr/bin/env bash
# The tests, on a fresh machine or an old one: `bash tools/test.sh [PYTEST ARGUMENTS]`. Without arguments it is all but
# the slow ones, in two processes of one thread each.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

install_package "[dev]"
fetch_clips || say "no demo clips: the tests on a real clip cannot run"
if [ "$#" -eq 0 ]; then
    export OMP_NUM_THREADS=1  # two processes with two threads each are slower than one
    set -- --numprocesses 2
fi
exec "$python" -m pytest "$@"

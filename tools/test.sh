#!/usr/bin/env bash
# The tests, on a fresh machine or an old one: `bash tools/test.sh [PYTEST ARGUMENTS]`.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

install_package "[dev]"
fetch_clips || say "no demo clips: the tests on a real clip cannot run"
exec "$python" -m pytest "$@"

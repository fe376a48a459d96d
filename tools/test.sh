#!/usr/bin/env bash
# The tests, on a fresh machine or an old one: `bash tools/test.sh [PYTEST ARGUMENTS]`.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

install_package "[dev]"
fetch_clips || say "no demo clips: the tests on a real clip cannot run"
# In one process with everything else, the native libraries of OpenVINO, ONNX Runtime and NNCF end in a segmentation fault.
runtimes=(tests/backends/test_exported.py tests/cli/test_export.py tests/test_exporting.py)
"$python" -m pytest "${runtimes[@]/#/--ignore=}" "$@"
[ $# -gt 0 ] || "$python" -m pytest "${runtimes[@]}"

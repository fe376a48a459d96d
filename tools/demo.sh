#!/usr/bin/env bash
# From nothing to a tracked video, on a fresh machine: `bash tools/demo.sh`.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

install_package "[openvino]"
fetch_clips

out=out/demo
mkdir -p "$out"
say "tracking the driver's head in data/demo/carphone_pristine.mp4"
.venv/bin/siamtrack track data/demo/carphone_pristine.mp4 --box 60,15,54,84 \
    --output "$out/carphone.mp4" --csv "$out/carphone.csv"
"$python" tools/contact_sheet.py "$out/carphone.mp4" "$out/carphone.png" >/dev/null

printf 'video          %s\ntable          %s\ncontact sheet  %s\n' \
    "$PWD/$out/carphone.mp4" "$PWD/$out/carphone.csv" "$PWD/$out/carphone.png"

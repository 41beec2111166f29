#!/usr/bin/env bash
# Proves GPUs of sandboxes on a machine that has one of NVIDIA, in less than 6 minutes.
#
#   bash tests/gpu/device_check.sh [PYTHON]
#
# Needs this checkout and an environment with it, whose PYTHON is given, else `.venv/bin/python`, else
# one is made in a temporary directory. Prints what it does; the status is that of the tests. Each
# test asks for GPUs with `--gpu=require`, so nothing is skipped.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
started=$SECONDS

python=${1:-.venv/bin/python}
if ! "$python" -c 'import pytest_sandbox, pynvml, xdist' 2>/dev/null; then
    echo "== an environment in $work"
    python3 -m venv "$work/venv" &&
        "$work/venv/bin/pip" install --quiet --disable-pip-version-check -e '.[gpu]' pytest-xdist ||
        exit 1
    python=$work/venv/bin/python
fi

echo '== the machine'
uname -r
id -un
nvidia-smi -L || exit 1
ls -l /dev/nvidia*
ls /etc/cdi /var/run/cdi 2>/dev/null
grep -h nvidia /proc/self/mountinfo | cut -d' ' -f5 | head -40
"$python" - <<'PROGRAM'
from pytest_sandbox.gpus import this_machine
from pytest_sandbox.local.engine.machine.host_image import host_image

for device in this_machine().devices:
    print(device)
found = host_image(root=True).gpus
print("files for sandboxes:", found.origin or found.missing)
for file in found.files:
    print("   ", file.path, "" if file.path == file.source else f"(from {file.source})")
print("    environment:", dict(found.env), "links:", dict(found.links))
PROGRAM

cp tests/gpu/device_tests.py "$work/test_device.py"
run() {
    echo "== $*"
    timeout 120 "$python" -m pytest -p no:cacheprovider --rootdir="$work" -q -rA --tb=short \
        --gpu-wait=60 "$work/test_device.py" "$@"
    local status=$?
    [ $status -eq 0 ] || failed=$status
}

failed=0
run --gpu=require --gpu-strict -k 'not worker'
run --gpu=require -n 2 -k 'worker'
echo '== a run from which all GPUs are hidden: each test fails, and says why'
if CUDA_VISIBLE_DEVICES= timeout 60 "$python" -m pytest -p no:cacheprovider -q --tb=line \
    --rootdir="$work" --gpu=require -k a_cuda_call "$work/test_device.py"; then
    failed=1
fi
echo "== $((SECONDS - started)) s, $([ $failed -eq 0 ] && echo 'all as it should be' || echo FAILED)"
exit $failed

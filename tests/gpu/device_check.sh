#!/usr/bin/env bash
# Proves GPUs of sandboxes on a machine that has one of NVIDIA, in less than 6 minutes.
#
#   bash tests/gpu/device_check.sh [PYTHON]
#
# Needs this checkout and an environment with it, whose PYTHON is given, else `.venv/bin/python`, else
# one is made in a temporary directory, for which it needs a package index. It prints what there is,
# what each check prints, and a list of results at the end; nothing that fails or hangs stops it. The
# status is 0 if all checks passed. They ask for GPUs with `--gpu=require`, so none is skipped.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
# Seconds that all may take, and that are kept for the results.
limit=340
SECONDS=0

say() { printf '\n== %s (after %d s)\n' "$*" "$SECONDS"; }

# A command whose output is a fact about the machine, whatever becomes of it.
fact() {
    printf -- '-- %s\n' "$*"
    timeout 20 "$@" 2>&1 </dev/null | head -60 || printf '   (status %d)\n' "${PIPESTATUS[0]}"
}

# Runs pytest for at most so many seconds: run SECONDS ARGUMENT ...
run() {
    local seconds=$1 left=$((limit - SECONDS))
    shift
    [ "$left" -ge "$seconds" ] || seconds=$left
    if [ "$seconds" -lt 5 ]; then
        echo "-- no time left for: $*"
        return
    fi
    echo "-- pytest $*"
    timeout --kill-after=5 "$seconds" "$python" -m pytest -p no:cacheprovider --rootdir="$work" -v \
        -rA --tb=short --gpu=require --gpu-wait=60 "$@" 2>&1 </dev/null | tee -a "$work/output"
    local status=${PIPESTATUS[0]}
    [ "$status" -lt 124 ] || echo "-- it did not end within $seconds s"
}

# What became of a test, as pytest printed it before or behind its name; nothing if it did not end.
result() {
    sed -nE 's/^(\[gw[0-9]+\] \[ *[0-9]+%\] )?(PASSED|FAILED|ERROR|SKIPPED) [^ ]*::/\2 /p
        s/^[^ ]*::([^ ]+) (PASSED|FAILED|ERROR|SKIPPED).*/\2 \1/p' "$work/output" |
        awk -v name="$1" '$2 == name { print $1; exit }'
}

say 'the machine'
fact uname -a
fact id
fact nproc
fact grep -E 'MemTotal|MemAvailable' /proc/meminfo
fact grep -E 'Cap(Eff|Bnd)|Seccomp|NoNewPrivs' /proc/self/status
fact cat /proc/driver/nvidia/version
fact nvidia-smi
fact nvidia-smi -L
fact sh -c 'ls -lR /dev/nvidia*'
fact sh -c 'ls -l /etc/cdi /var/run/cdi'
fact sh -c 'ldconfig -p | grep -E "libcuda|libnvidia-ml"'
fact grep -hE 'nvidia|libcuda' /proc/self/mountinfo
fact sh -c 'env | grep -E "^(NVIDIA|CUDA|LD_)"'
fact stat --file-system --format='cgroups: %T' /sys/fs/cgroup
fact sh -c 'grep cgroup /proc/self/mountinfo'
fact cat /proc/self/cgroup
fact sysctl kernel.unprivileged_userns_clone user.max_user_namespaces

python=${1:-.venv/bin/python}
if ! "$python" -c 'import pytest_sandbox, pynvml, xdist' 2>"$work/error"; then
    cat "$work/error"
    say 'an environment, as that one lacks something'
    python=$work/venv/bin/python
    python3 -m venv "$work/venv" &&
        timeout 120 "$work/venv/bin/pip" install --quiet --disable-pip-version-check --retries 1 \
            -e '.[gpu]' pytest-xdist ||
        echo 'It could not be made: carry one with pytest-sandbox[gpu] and pytest-xdist here.'
fi

say 'what this package finds'
fact "$python" -V
fact "$python" -c '
from pytest_sandbox.gpus import this_machine
for device in this_machine().devices:
    print(device, repr(device))
print("cannot be used:", this_machine().lost)'
fact "$python" -c '
from pytest_sandbox.local.engine.machine.host_image import host_image
found = host_image(root=True).gpus
print("files for sandboxes:", found.origin or found.missing)
for file in found.files:
    print("   ", file.path, "" if file.path == file.source else f"(from {file.source})")
print("    environment:", dict(found.env), "links:", dict(found.links))'
fact "$python" -m pytest_sandbox.cli doctor

say 'the checks'
cp tests/gpu/device_tests.py "$work/test_device.py"
touch "$work/output"
tests=$("$python" -m pytest -p no:cacheprovider --rootdir="$work" --collect-only -q \
    "$work/test_device.py" 2>/dev/null | sed -n 's/.*::\(test_[^ :]*\)$/\1/p')
run 150 --gpu-strict -k 'not worker' "$work/test_device.py"
run 60 -n 2 -k worker "$work/test_device.py"
# A test that hung took those behind it with it.
for name in $tests; do
    [ -n "$(result "$name")" ] || run 40 "$work/test_device.py::$name"
done

say 'a run from which all GPUs are hidden: its test fails, and says why'
CUDA_VISIBLE_DEVICES='' timeout 60 "$python" -m pytest -p no:cacheprovider -q --tb=line \
    --rootdir="$work" --gpu=require -k a_cuda_call_in "$work/test_device.py" \
    >"$work/hidden" 2>&1 </dev/null
status=$? hidden=FAILED
if [ $status -eq 1 ] && grep -qF 'hides its GPUs' "$work/hidden"; then
    hidden=PASSED
fi
cat "$work/hidden"

say 'figures'
fact "$python" -m pytest_sandbox.cli bench --only gpu

say 'results'
failed=0
for name in $tests; do
    status=$(result "$name")
    printf '%-8s %s\n' "${status:-NOT RUN}" "$name"
    [ "$status" = PASSED ] || failed=1
done
printf '%-8s %s\n' "$hidden" 'a run from which all GPUs are hidden'
if [ -z "$tests" ] || [ $hidden != PASSED ]; then
    failed=1
fi
say "$([ $failed -eq 0 ] && echo 'all as it should be' || echo FAILED)"
exit $failed

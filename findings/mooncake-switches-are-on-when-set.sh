#!/usr/bin/env bash
# Mooncake: MC_FORCE_TCP=false, =0 or empty puts every transfer on TCP; only an unset variable is off.
#
# Date:     2026-12-01
# Versions: mooncake-transfer-engine-non-cuda 0.3.13.post1 (PyPI), libibverbs 44.0 (Debian 12); no RDMA device, no GPU
# Guess:    a switch with the value "false" or "0" is off, as it is for Mooncake's own MC_TE_METRIC and for SGLang, which
#           compares the same variable with "1".
# Seen:     it is on: the engine asks only whether the variable is there, looks for no device at all, and says "using TCP
#           transport only". MC_FORCE_HCA, MC_FORCE_MNNVL and MC_INTRANODE_NVLINK are read in the same way (its source,
#           transfer_engine_impl.cpp). MC_TE_METRIC=false is off in the same run.
# Output:   unset: looks for devices   1: TCP only   0: TCP only   false: TCP only   empty: TCP only; metrics: off
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile --no-deps mooncake-transfer-engine-non-cuda==0.3.13.post1
# What its library is linked to, beside what the wheel brings.
chmod 755 .
apt-get download -qq libibverbs1 libnl-3-200 libnl-route-3-200 libnuma1 libcurl4 2> /dev/null
for package in *.deb; do dpkg -x "$package" system; done
export LD_LIBRARY_PATH=$work/system/usr/lib/x86_64-linux-gnu:$work/system/lib/x86_64-linux-gnu

start='from mooncake.engine import TransferEngine
assert TransferEngine().initialize("127.0.0.1", "P2PHANDSHAKE", "rdma", "") == 0'
export MC_TE_METRIC=false
env -u MC_FORCE_TCP venv/bin/python -c "$start" 2> log
grep -q "Auto-discovering topology" log
! grep -q "using TCP transport only" log || exit 1
printf "unset: looks for devices   "
for value in 1 0 false ""; do
  MC_FORCE_TCP=$value venv/bin/python -c "$start" 2> log
  grep -q "MC_FORCE_TCP is set, using TCP transport only" log
  ! grep -q "Auto-discovering topology" log || exit 1
  printf "%s: TCP only   " "${value:-empty}"
done
grep -q "Metrics reporting is disabled" log
MC_TE_METRIC=1 venv/bin/python -c "$start" 2> log
grep -q "Metrics reporting thread started" log
echo "metrics: off"

#!/usr/bin/env bash
# Mooncake: of one version the wheel for aarch64 has NVLink between nodes, the one for x86_64 NVLink within a node.
#
# Date:     2026-12-01
# Versions: mooncake-transfer-engine 0.3.13.post1 and mooncake-transfer-engine-cuda13 0.3.14 (PyPI), CPython 3.12,
#           manylinux_2_28; the libraries are read, not run
# Guess:    the wheels of one version are built alike: MC_FORCE_MNNVL=1, as the recipes for GB200 have it, and
#           MC_INTRANODE_NVLINK=1 work on both processors, or on neither.
# Seen:     each has one of the two. What is missing is refused by name ("Protocol 'nvlink' requires -DUSE_MNNVL=ON").
#           On x86_64 MC_FORCE_MNNVL=1 is a warning, "not compiled in, falling back to RDMA/TCP". On aarch64 a machine
#           without an RDMA device takes NVLink by itself (its source).
# Output:   0.3.13.post1 x86_64: within a node   0.3.13.post1 aarch64: between nodes
#           0.3.14 x86_64: within a node   0.3.14 aarch64: between nodes
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for package in mooncake-transfer-engine==0.3.13.post1 mooncake-transfer-engine-cuda13==0.3.14; do
  for processor in x86_64 aarch64; do
    python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
      --platform "manylinux_2_28_$processor" --dest "$processor" "$package"
    python3 -m zipfile -e "$processor"/*.whl wheel
    mv "$processor"/*.whl .
    library=wheel/mooncake/engine.so
    has=""
    grep -qa "/nvlink_transport/nvlink_transport.cpp" "$library" && has="between nodes"
    grep -qa "/intranode_nvlink_transport/intranode_nvlink_transport.cpp" "$library" && has+="within a node"
    grep -qa "MC_FORCE_MNNVL" "$library"
    case $processor in
      x86_64) test "$has" = "within a node"; grep -qa "Protocol 'nvlink' requires -DUSE_MNNVL=ON" "$library" ;;
      aarch64) test "$has" = "between nodes"; grep -qa "Protocol 'nvlink_intra' requires -DUSE_INTRA_NVLINK=ON" "$library" ;;
    esac
    printf "%s %s: %s   " "${package#*==}" "$processor" "$has"
    rm -r wheel
  done
  echo
done

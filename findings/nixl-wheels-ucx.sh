#!/usr/bin/env bash
# NIXL: a minor version of the wheel brings another UCX, which refuses GPU memory of another PID namespace.
#
# Date:     2026-11-29
# Versions: nixl-cu13 1.4.1 (Dynamo 1.6.1 with vLLM) and 1.5.1 (PyPI); no GPU
# Guess:    1.4 and 1.5 differ in NIXL only, so what was measured with one holds for the other.
# Seen:     UCX 1.22.0 and 1.23.0. Only the newer one's cuda_ipc knows the reason "different PID namespace and FABRIC
#           support": two pods of one node are unreachable to it, where the older one compared nothing of the kind. On
#           an H200 two pods with different process numbers got 1,483 GB/s with 1.4.1 and 0.51 (TCP) with 1.5.1:
#           docs/real-gpus.md.
# Output:   1.4.1: UCX 1.22.0, the reason 0 times
#           1.5.1: UCX 1.23.0, the reason 1 times
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > ucx.py << 'END'
import ctypes, glob, sys

library = ctypes.CDLL(glob.glob(f"{sys.argv[1]}/lib/python*/site-packages/nixl_cu13.libs/libucp-*")[0])
library.ucp_get_version_string.restype = ctypes.c_char_p
print(library.ucp_get_version_string().decode())
END
for version in 1.4.1 1.5.1; do
  python3 -m venv "$version"
  "$version/bin/pip" install --quiet --no-compile --no-deps "nixl-cu13==$version"
  cuda=$(find "$version" -name 'libuct_cuda.so*' | head -1)
  knows=$(grep -c "different PID namespace and FABRIC support" "$cuda" || true)
  echo "$version: UCX $(python3 ucx.py "$version"), the reason $knows times"
done | tee seen
test "$(cat seen)" = "1.4.1: UCX 1.22.0, the reason 0 times
1.5.1: UCX 1.23.0, the reason 1 times"

#!/usr/bin/env bash
# Mooncake: a transfer engine asked for RDMA, or for a device, that is not there starts, and moves everything over TCP.
#
# Date:     2026-12-01
# Versions: mooncake-transfer-engine-non-cuda 0.3.13.post1 (PyPI), libibverbs 44.0 (Debian 12); no RDMA device, no GPU
# Guess:    initialize() with protocol "rdma" fails where there is no RDMA device, or none of the name that was given, and
#           with a protocol that does not exist.
# Seen:     it returns 0 in all these cases, and a transfer ends well, over TCP. The protocol chooses nothing here but the
#           allocator of a buffer: the transport is RDMA where a device was found, else TCP. Lines at INFO and WARNING on
#           standard error are all that says so. "nvlink", which this wheel has not, is an ERROR in the log, and 0.
#           SGLang (--disaggregation-transfer-backend mooncake) checks only the returned number.
# Output:   rdma '': 0, moved over tcp   rdma mlx5_0: 0, moved over tcp   nvlink '': 0, moved over tcp   warp '': 0, moved over tcp
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

cat > move.py << 'END'
import ctypes, mmap, sys
from mooncake.engine import TransferEngine

protocol, device = sys.argv[1:]
size = 1 << 20

def memory(value):
    pages = mmap.mmap(-1, size)
    pages.write(bytes([value]) * size)
    return pages, ctypes.addressof(ctypes.c_char.from_buffer(pages))

engines = [TransferEngine(), TransferEngine()]
codes = [engine.initialize("127.0.0.1", "P2PHANDSHAKE", protocol, device) for engine in engines]
(ours, here), (theirs, there) = memory(7), memory(0)
assert engines[0].register_memory(here, size) == engines[1].register_memory(there, size) == 0
moved = engines[0].transfer_sync_write(f"127.0.0.1:{engines[1].get_rpc_port()}", here, there, size)
assert codes == [0, 0] and moved == 0 and theirs[:] == ours[:]
END
for asked in "rdma:" "rdma:mlx5_0" "nvlink:" "warp:"; do
  venv/bin/python move.py "${asked%:*}" "${asked#*:}" 2> log || { cat log; exit 1; }
  grep -q "No RDMA devices found" log
  test "$(grep -c "tcp_transport.cpp.*TcpTransport: listen on port" log)" -ge 2
  printf "%s '%s': 0, moved over tcp   " "${asked%:*}" "${asked#*:}"
done
echo

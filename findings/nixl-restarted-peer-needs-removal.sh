#!/usr/bin/env bash
# NIXL: a peer that died and came back under its name is accepted by 1.4.1 and refused by 1.5.0 until it is removed.
#
# Date:     2026-11-29
# Versions: nixl and nixl-cu13 1.4.1 (Dynamo 1.6.1 with vLLM) and 1.5.0 (with SGLang), numpy 2.3.5 (PyPI), UCX over
#           loopback; no GPU
# Guess:    a read from a dead peer hangs or ends in state ERR; add_remote_agent with the metadata of the restarted peer
#           replaces the old entry.
# Seen:     transfer() raises NIXL_ERR_REMOTE_DISCONNECT at once, in both. A second later 1.4.1 has forgotten the peer
#           (NIXL_ERR_NOT_FOUND) and takes it back. 1.5.0 keeps it as disconnected and refuses the new metadata with
#           NIXL_ERR_NOT_ALLOWED; after remove_remote_agent it is accepted.
# Output:   1.4.1: DONE | nixlRemoteDisconnectError | nixlNotFoundError | re-added: DONE | -
#           1.5.0: DONE | nixlRemoteDisconnectError | nixlRemoteDisconnectError | nixlNotAllowedError | removed: DONE
set -euo pipefail

work=$(mktemp -d)
trap 'kill -9 -- "-${job:-}" 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
cat > pair.py << 'END'
import os, pickle, subprocess, sys, time
import numpy as np
from nixl._api import nixl_agent, nixl_agent_config

def agent(name, fill):
    memory = np.full(1 << 20, fill, dtype=np.uint8)
    made = nixl_agent(name, nixl_agent_config(backends=["UCX"]))
    made.register_memory([(memory.ctypes.data, memory.nbytes, 0, "")], "DRAM")
    return memory, made, made.get_xfer_descs([(memory.ctypes.data, memory.nbytes, 0)], "DRAM")

if len(sys.argv) > 1:  # the peer: offers its memory and serves it until it is killed
    memory, peer, blocks = agent("peer", int(sys.argv[1]))
    with open("offer.new", "wb") as file:
        pickle.dump((peer.get_agent_metadata(), peer.get_serialized_descs(blocks)), file)
    os.rename("offer.new", "offer")
    while True:
        peer.get_new_notifs()
        time.sleep(0.05)

memory, reader, own = agent("reader", 0)

def offer(fill):
    process = subprocess.Popen([sys.executable, __file__, str(fill)])
    while not os.path.exists("offer"):
        assert process.poll() is None
        time.sleep(0.05)
    with open("offer", "rb") as file:
        metadata, blocks = pickle.load(file)
    os.remove("offer")
    return process, metadata, reader.deserialize_descs(blocks)

def attempt(action):
    try:
        return action()
    except Exception as error:
        return type(error).__name__

def read(blocks, fill):
    handle = reader.initialize_xfer("READ", own, blocks, "peer", b"read")
    state, end = reader.transfer(handle), time.monotonic() + 30
    while state not in ("DONE", "ERR") and time.monotonic() < end:
        state = reader.check_xfer_state(handle)
    return state if state != "DONE" or memory[0] == fill else "WRONG"

def add(metadata):
    reader.add_remote_agent(metadata)

process, metadata, blocks = offer(7)
add(metadata)
seen = [read(blocks, 7)]
process.kill()
process.wait()
seen.append(attempt(lambda: read(blocks, 7)))
time.sleep(1)
seen.append(attempt(lambda: read(blocks, 7)))
process, metadata, blocks = offer(9)
refused = attempt(lambda: add(metadata))
seen.append(refused or f"re-added: {read(blocks, 9)}")
if refused:
    reader.remove_remote_agent("peer")
    add(metadata)
seen.append(f"removed: {read(blocks, 9)}" if refused else "-")
process.kill()
print(*seen, sep=" | ")
END
export UCX_TLS=tcp UCX_NET_DEVICES=lo NIXL_LOG_LEVEL=WARN

set -m # a process group of its own, which the trap ends
for version in 1.4.1 1.5.0; do
  python3 -m venv "$version"
  "$version/bin/pip" install --quiet --no-compile --no-deps "nixl==$version" "nixl-cu13==$version" numpy==2.3.5
  "$version/bin/python" pair.py > "seen-$version" 2> log &
  job=$!
  wait $job || { cat log; exit 1; }
  echo "$version: $(grep DONE "seen-$version")"
done
lost="DONE | nixlRemoteDisconnectError"
grep -qFx "$lost | nixlNotFoundError | re-added: DONE | -" seen-1.4.1
grep -qFx "$lost | nixlRemoteDisconnectError | nixlNotAllowedError | removed: DONE" seen-1.5.0

#!/usr/bin/env bash
# NIXL: an agent with a misspelt backend is made all the same, without any; a listed backend may not load.
#
# Date:     2026-11-29
# Versions: nixl and nixl-cu13 1.4.1 (the pin of Dynamo 1.6.1's vLLM), numpy 2.3.5 (PyPI); no GPU, no libfabric
# Guess:    a backend that does not exist raises an error, and the plugins of get_plugin_list() can be used: the wheel
#           brings what they need.
# Seen:     the opposite. "ucx" in small letters, or "MOONCAKE", is a warning and an agent with no backend, which moves
#           nothing. LIBFABRIC is listed, and creating it raises NIXL_ERR_NOT_FOUND "unsupported backend": the wheel
#           has the plugin, but not libfabric.so.1. The UCX plugin is complete.
# Output:   listed: AZURE_BLOB GDS GDS_MT GPUNETIO GUSLI INFINIA LIBFABRIC OBJ POSIX UCX
#           UCX: ['UCX']   ucx: []   MOONCAKE: []   LIBFABRIC: nixlNotFoundError NIXL_ERR_NOT_FOUND
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile --no-deps nixl==1.4.1 nixl-cu13==1.4.1 numpy==2.3.5

NIXL_LOG_LEVEL=WARN UCX_TLS=tcp,self UCX_NET_DEVICES=lo venv/bin/python - << 'END' 2> log || { cat log; exit 1; }
from nixl._api import nixl_agent, nixl_agent_config

def backends(name):
    try:
        return list(nixl_agent("of-" + name, nixl_agent_config(backends=[name])).backends)
    except Exception as error:
        return f"{type(error).__name__} {error}"

listed = nixl_agent("empty", nixl_agent_config(backends=[])).get_plugin_list()
print("listed:", *listed)
seen = {name: backends(name) for name in ("UCX", "ucx", "MOONCAKE", "LIBFABRIC")}
print(*(f"{name}: {result}" for name, result in seen.items()), sep="   ")

assert "UCX" in listed and "LIBFABRIC" in listed
assert seen["UCX"] == ["UCX"]
assert seen["ucx"] == seen["MOONCAKE"] == []
assert seen["LIBFABRIC"] == "nixlNotFoundError NIXL_ERR_NOT_FOUND"
END
grep "unsupported backend 'LIBFABRIC'" log
ldd venv/lib/python*/site-packages/nixl_cu13.libs/nixl/libplugin_LIBFABRIC.so > libraries
grep "libfabric.so.1 => not found" libraries
test -z "$(find venv -name 'libfabric*.so*')"

#!/usr/bin/env bash
# AIConfigurator: for a Dynamo that it does not know the search runs to its end, writes no manifest and exits 0.
#
# Date:     2026-11-29
# Versions: aiconfigurator 0.12.0 (PyPI), its own model and performance data, no GPU
# Guess:    --dynamo-version 1.6.1, the newest on PyPI, is supported or refused at once with an exit status.
# Seen:     1.3.0 is the newest that it knows. `cli default` searches to the end, logs "Failed to save results" and
#           exits 0 without any k8s_deploy.yaml. `cli generate` raises TypeError and exits 1.
# Output:   generate: exit 1, TypeError: Unsupported dynamo_version '1.6.1'. Supported versions: 0.6.0, ..., 1.3.0.
#           default:  exit 0, manifests 0
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile aiconfigurator==0.12.0
export HOME=$work PYTHONWARNINGS=ignore

target=(--model-path Qwen/Qwen3-32B --total-gpus 8 --system h200_sxm --backend vllm --dynamo-version 1.6.1)
status=0
venv/bin/aiconfigurator cli generate "${target[@]}" --save-dir generated > generate.log 2>&1 || status=$?
grep "^TypeError: Unsupported dynamo_version '1.6.1'" generate.log
echo "generate: exit $status"
test "$status" = 1

venv/bin/aiconfigurator cli default "${target[@]}" --isl 4000 --osl 500 --ttft 1000 --tpot 20 --save-dir searched \
  > default.log 2>&1 || { tail default.log; exit 1; }
grep -m 1 -o "Failed to save results.*" default.log
echo "default: exit 0, manifests $(find searched -name k8s_deploy.yaml | wc -l)"
test -z "$(find searched -name k8s_deploy.yaml)"

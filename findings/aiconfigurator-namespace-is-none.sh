#!/usr/bin/env bash
# AIConfigurator: without --namespace the benchmark's manifest goes to, and asks in, the namespace "None".
#
# Date:     2026-11-29
# Versions: aiconfigurator 0.12.0 (PyPI), its own model and performance data, no GPU
# Guess:    the files of one run agree: no namespace in any, or "default" in all.
# Seen:     k8s_deploy.yaml has none, so it goes where kubectl points. k8s_bench.yaml has `namespace: None` (a string,
#           and no valid name) and the address <name>-frontend.None.svc.cluster.local. With --namespace all agree.
# Output:   k8s_bench.yaml:  namespace: None
#           k8s_bench.yaml:                  -u http://dynamo-agg-frontend.None.svc.cluster.local:8000 \
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile aiconfigurator==0.12.0
export HOME=$work PYTHONWARNINGS=ignore

for namespace in "" serving; do
  venv/bin/aiconfigurator cli generate --model-path Qwen/Qwen3-32B --total-gpus 8 --system h200_sxm --backend vllm \
    ${namespace:+--namespace $namespace} --save-dir "out$namespace" > log 2>&1 || { tail log; exit 1; }
done
deploy=$(find out -name k8s_deploy.yaml) bench=$(find out -name k8s_bench.yaml)
grep -H "None" "$bench" | sed 's|.*/||'
grep -qx "  namespace: None" "$bench"
grep -q "frontend.None.svc" "$bench"
if grep "^  namespace:" "$deploy"; then exit 1; fi

echo "with --namespace serving:"
find outserving -name 'k8s_*.yaml' -exec grep "^  namespace:\|\.svc\." {} +  | sed 's|.*/||'
if grep -r "None" $(find outserving -name 'k8s_*.yaml'); then exit 1; fi
test "$(find outserving -name 'k8s_*.yaml' -exec grep -l "^  namespace: serving$" {} + | wc -l)" = 2

#!/usr/bin/env bash
# AIConfigurator: what it writes for SGLang does not start on the SGLang of Dynamo 1.6.1.
#
# Date:     2026-11-29
# Versions: aiconfigurator 0.12.0, sglang 0.5.21 (the pin of ai-dynamo 1.6.1; PyPI, read only)
# Guess:    the generated arguments are a list for argparse that every near version of SGLang accepts.
# Seen:     they are a bash script in one string, with --cuda-graph-bs and batch sizes neither sorted nor distinct.
#           SGLang 0.5.21 has only --cuda-graph-bs-decode and --cuda-graph-bs-prefill: argparse calls the old name
#           ambiguous.
# Output:   --cuda-graph-bs: 58 sizes, 52 distinct, sorted: False
#           ambiguous option: --cuda-graph-bs could match --cuda-graph-bs-decode, --cuda-graph-bs-prefill
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile aiconfigurator==0.12.0
venv/bin/pip download --quiet --no-deps sglang==0.5.21
export HOME=$work PYTHONWARNINGS=ignore

venv/bin/aiconfigurator cli generate --model-path Qwen/Qwen3-32B --total-gpus 8 --system h200_sxm --backend sglang \
  --save-dir out > log 2>&1 || { tail log; exit 1; }
venv/bin/python - << 'END'
import argparse, pathlib, re, zipfile, yaml

manifest = yaml.safe_load(next(pathlib.Path("out").rglob("k8s_deploy.yaml")).read_text())
workers = [service for name, service in manifest["spec"]["services"].items() if name != "Frontend"]
container = workers[0]["extraPodSpec"]["mainContainer"]
script = container["args"][0]
sizes = [int(size) for size in re.search(r"--cuda-graph-bs((?: \d+)+)", script)[1].split()]
print(f"--cuda-graph-bs: {len(sizes)} sizes, {len(set(sizes))} distinct, sorted: {sizes == sorted(sizes)}")
assert container["command"] == ["/bin/bash", "-c"] and len(container["args"]) == 1
assert len(set(sizes)) < len(sizes) and sizes != sorted(sizes)

with zipfile.ZipFile(next(pathlib.Path(".").glob("sglang-*.whl"))) as wheel:
    fields = wheel.read("sglang/srt/arg_groups/field_order.py").decode()

class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise ValueError(message)

parser = Parser()
for name in sorted(set(re.findall(r'^ +"(\w+)",', fields, re.M)) - {"help"}):
    parser.add_argument("--" + name.replace("_", "-"))
try:
    parser.parse_known_args(["--cuda-graph-bs", "1"])
    raise SystemExit("accepted")
except ValueError as error:
    print(error)
    assert str(error).startswith("ambiguous option: --cuda-graph-bs could match")
END

#!/usr/bin/env bash
# AIPerf: with HF_HUB_OFFLINE=1 a tokenizer in a local folder cannot be loaded; without the variable it can.
#
# Date:     2026-11-29
# Versions: aiperf 0.13.0 (PyPI)
# Guess:    HF_HUB_OFFLINE=1, set where there is no Internet, only forbids downloads, so --tokenizer /models/m works.
# Seen:     offline, the name is looked up in the hub's cache only, and a path is no name of a repository: an error that
#           does not speak of the variable. TRANSFORMERS_OFFLINE does the same. Unset, the folder is read, no hub asked.
# Output:   no variable: [1, 2]
#           HF_HUB_OFFLINE=1: TokenizerError ... Repo id must be in the form 'repo_name' or 'namespace/repo_name': ...
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile aiperf==0.13.0
export HOME=$work

cat > load.py << 'END'
import json, pathlib
from aiperf.common.tokenizer import Tokenizer

folder = pathlib.Path("model").absolute()
folder.mkdir(exist_ok=True)
(folder / "tokenizer.json").write_text(json.dumps({"version": "1.0", "added_tokens": [],
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "model": {"type": "WordLevel", "unk_token": "w0", "vocab": {f"w{i}": i for i in range(10)}}}))
(folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
try:
    print(Tokenizer.from_pretrained(str(folder)).encode("w1 w2"))
except Exception as error:
    print(type(error).__name__, error)
END
venv/bin/python load.py > online 2> log || { cat log; exit 1; }
HF_HUB_OFFLINE=1 venv/bin/python load.py > hub 2> log || { cat log; exit 1; }
TRANSFORMERS_OFFLINE=1 venv/bin/python load.py > transformers 2> log || { cat log; exit 1; }
echo "no variable: $(cat online)"
echo "HF_HUB_OFFLINE=1: $(cat hub)"
echo "TRANSFORMERS_OFFLINE=1: $(cat transformers)"

test "$(cat online)" = "[1, 2]"
for file in hub transformers; do
  grep "^TokenizerError" "$file" > error
  grep "Repo id must be in the form" error > /dev/null
  test -z "$(grep OFFLINE error)"
done

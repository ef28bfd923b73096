#!/usr/bin/env bash
# cyclonedx-python-lib: its extra for checking a bill of materials makes every `import jsonschema` 10 times slower.
#
# Date:     2026-11-29
# Versions: cyclonedx-python-lib 11.12.0, jsonschema 4.26.0, rfc3987-syntax 1.1.0 (PyPI), Python 3.11
# Guess:    an extra costs those who import the package that has it, when they validate.
# Seen:     json-validation brings jsonschema[format-nongpl], and with it rfc3987-syntax, which jsonschema imports wherever
#           it is found and which builds 39 parsers with lark at its import. Every program of the environment that
#           imports jsonschema pays for it, those that check no format and never import cyclonedx too.
# Output:   without the extra: import jsonschema takes 0.09 s of CPU, 0 parsers
#           with it: import jsonschema takes 1.42 s of CPU, 39 parsers
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > cost.py << 'END'
import sys
import time

before = time.process_time()
import jsonschema

seconds = time.process_time() - before
lark = sys.modules.get("lark.lark")
import gc

print(f"{seconds:.2f}", sum(type(o) is lark.Lark for o in gc.get_objects()) if lark else 0)
END
python3 -m venv plain
plain/bin/pip install --quiet cyclonedx-python-lib==11.12.0 jsonschema==4.26.0
python3 -m venv extra
extra/bin/pip install --quiet 'cyclonedx-python-lib[json-validation]==11.12.0' jsonschema==4.26.0 rfc3987-syntax==1.1.0
for kind in plain extra; do "$kind/bin/python" -c 'import jsonschema'; done # compiled once
read -r short few < <(plain/bin/python cost.py)
read -r long many < <(extra/bin/python cost.py)
echo "without the extra: import jsonschema takes $short s of CPU, $few parsers"
echo "with it: import jsonschema takes $long s of CPU, $many parsers"
test "$few" = 0
test "$many" -ge 30
awk -v short="$short" -v long="$long" 'BEGIN {exit !(long > 10 * short)}'

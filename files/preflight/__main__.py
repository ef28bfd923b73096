"""The hook Job: python3 -m preflight needs.json."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .checks import checks
from .cluster import NoAnswerError, in_cluster, read
from .report import passed, table


def main() -> int:
    """The hook Job."""
    needs = json.loads(Path(sys.argv[1]).read_text())
    try:
        rows = checks(read(in_cluster, needs), needs)
    except NoAnswerError as error:
        print(f"FAIL: the API server gives no answer: {error}", file=sys.stderr)
        return 1
    print(table(rows, needs))
    return 0 if passed(rows) else 1


sys.exit(main())

"""Tests of the chart and of its tools, by tier."""

import sys

# On import jsonschema would compile a grammar for `format: iri`: 1.5 s in every process, and no schema here
# relies on formats. With None in its place the import fails, which jsonschema expects.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

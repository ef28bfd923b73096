"""Does the cluster have what a release asks for? Reads only, prints a table, exits 0 (yes) or 1 (no).

A hook Job runs it on the document that templates/preflight renders; `hack preflight` runs it before Helm. It needs
Python 3.10 and nothing else. What pods of the release itself hold counts as free, because an upgrade replaces them.
"""

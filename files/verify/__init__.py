"""Is a running release what its values promise? Asks it, reads its pods' metrics, prints a table, exits 0 or 1.

`helm test` and the canary run it on a document that templates/tests renders. It needs Python 3.10 and nothing else.
Other traffic may run meanwhile: each proof is about what grew while a question was being answered.
"""

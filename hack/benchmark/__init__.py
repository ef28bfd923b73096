"""Measure a release, compare two ways to serve on the same GPUs, and size one: docs/benchmark.md, docs/sizing.md."""

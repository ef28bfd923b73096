"""kube-router, which enforces NetworkPolicies in a cluster of our own node image: the manifest that runs it."""

from pathlib import Path

MANIFEST = Path(__file__).parent / "daemonset.yaml"

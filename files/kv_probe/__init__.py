"""Which way does the KV cache take between two pods, and how fast? One transfer, as the engines do it.

It needs NIXL and NumPy, or Mooncake, as Dynamo's runtime images have them, and the driver's libcuda for the memory of a
GPU. UCX and Mooncake take their settings from the environment, as they do for a worker.
"""

DOCS = "docs/kv-path.md"


class ProbeError(Exception):
    """The probe cannot run; the message says what to change."""

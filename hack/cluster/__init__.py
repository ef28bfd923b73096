"""A kind cluster: its life, images, faked GPUs, API, and the releases in it."""

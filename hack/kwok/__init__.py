"""KWOK nodes: objects shaped like machines for the real scheduler, without kubelets or containers."""

"""What images, nodes and tools are built from."""

"""The chart packaged, published, signed and mirrored."""

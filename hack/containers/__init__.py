"""Container images and the node image, built without a registry."""

"""The parts of hack.cluster: container engine, node image, network, nodes."""

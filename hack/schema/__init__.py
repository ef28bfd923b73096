"""The schema of the values, and the schemas of Kubernetes' objects."""

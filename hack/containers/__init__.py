"""What goes into the project's container images, and how it is put together."""

"""The engines' command line flags, read out of their packages."""

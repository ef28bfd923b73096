"""The commands that put several parts together."""

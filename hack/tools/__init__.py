"""The pinned commands, and the Go modules they are built from."""

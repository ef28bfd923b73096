"""What every other part stands on: console, paths, steps, pinned versions, waiting."""

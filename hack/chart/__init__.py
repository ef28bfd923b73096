"""The chart rendered, its scenarios and machines, and what its objects must fulfil."""

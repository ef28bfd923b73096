"""The harness of the chart: what makes, checks, runs and publishes it."""

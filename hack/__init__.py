import sys
from pathlib import Path

# The package `preflight` is the chart's own: its hook Job runs it.
sys.path.append(str(Path(__file__).parents[1] / "files"))

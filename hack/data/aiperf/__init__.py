"""AIPerf, which the benchmark's Job runs: its pinned packages, and an image of them."""

from pathlib import Path

FOLDER = Path(__file__).parent

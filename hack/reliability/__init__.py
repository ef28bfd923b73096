"""Load on a release while something happens to it: what clients lose, and for how long they wait."""

"""Clients lose nothing in planned changes: the cases of `make reliability` that have the most to lose."""

from collections.abc import Callable

import pytest

from hack.cluster.release import Release
from hack.reliability.cases import CASES
from hack.reliability.report import row
from hack.reliability.trial import trial


@pytest.mark.parametrize("case", ["another block size", "a deleted decode pod"])
def test_nothing_is_lost(release: Callable[..., Release], case: str) -> None:
    outcome = trial(release(), case, CASES[case])
    assert outcome.clients["sent"] > 100, outcome
    assert not outcome.lost, "; ".join(row(outcome))

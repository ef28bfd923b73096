"""What the unit tests share."""

from pathlib import Path

import pytest

from hack.tools import pinned


@pytest.fixture(params=["prefill", "decode"])
def role(request: pytest.FixtureRequest) -> str:
    """Both worker pools: one body, because they are one template."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Prometheus' own tool for rules and configurations."""
    return pinned.ensure(["promtool"])["promtool"]

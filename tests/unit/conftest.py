"""What the unit tests share."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["prefill", "decode"])
def role(request: pytest.FixtureRequest) -> str:
    """Both worker pools: one body, because they are one template."""
    name: str = request.param
    return name

"""What the policy tests run over: every values file, real and simulated, and the feature sets."""

from __future__ import annotations

import pytest

from tests.harness.manifests import Manifests
from tests.harness.scenarios import ALL, Scenario


@pytest.fixture(params=ALL, ids=lambda s: s.name)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    found: Scenario = request.param
    return found


@pytest.fixture
def manifests(scenario: Scenario) -> Manifests:
    return scenario.render()

"""What the policy tests run over: every values file, real and simulated, and the feature sets, or given files."""

from __future__ import annotations

import pytest

from tests.harness.manifests import Manifests
from tests.harness.scenarios import ALL, Scenario


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    listed = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "scenario" in metafunc.fixturenames and "scenario" not in listed:
        given = metafunc.config.getoption("policy_values")
        scenarios = [Scenario("yours", tuple(given))] if given else ALL
        metafunc.parametrize("scenario", scenarios, ids=lambda s: s.name)


@pytest.fixture
def manifests(scenario: Scenario) -> Manifests:
    return scenario.render()

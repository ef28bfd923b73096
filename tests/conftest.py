"""Fixtures of every tier; a test's tier is the folder it lies in."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from hack.chart import render as chart
from hack.chart.helm import Helm
from hack.chart.render import Render
from hack.chart.renderer import Renderer

pytest_plugins = ["tests.clusterfixtures", "tests.turns"]

TESTS = Path(__file__).parent
TIERS = sorted(p.name for p in TESTS.iterdir() if p.is_dir() and any(p.glob("test_*.py")))


# Random values in all: some whenever anything is tested, many where --hypothesis-profile=ci asks for them.
settings.register_profile("some", max_examples=150)
settings.register_profile("ci", max_examples=2250)
settings.load_profile("some")
SEED = 1


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="accept what is rendered as tests/golden")
    parser.addoption("--kubeconfig", metavar="FILE", help="run on this cluster instead of a kind cluster of our own")
    parser.addoption("--keep-cluster", action="store_true", help="leave the kind cluster of the tests running")
    parser.addoption(
        "--update-pictures", action="store_true", help="draw the dashboards of docs/monitoring.md from what is measured"
    )
    parser.addoption("--update-proofs", action="store_true", help="write what tests/scheduling saw into proofs.yaml")


def pytest_configure(config: pytest.Config) -> None:
    # Helm, kubectl and their like are started some thousand times: less often collected, each takes a sixth less CPU.
    os.environ.setdefault("GOGC", "400")
    # The same values in every run, unless another seed asks for others: a change is judged by what it changed.
    config.option.hypothesis_seed = str(config.option.hypothesis_seed or SEED)
    for tier in TIERS:
        config.addinivalue_line("markers", f"{tier}: the tests of tests/{tier} (set from the folder)")


def pytest_report_header(config: pytest.Config) -> str:
    return f"random values: --hypothesis-seed={config.option.hypothesis_seed}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(item.path.relative_to(TESTS).parts[0])


@pytest.fixture(scope="session")
def helm() -> Helm:
    """The Helm the project installs with."""
    return Helm()


@pytest.fixture(scope="session", params=["helm", "helm3"])
def each_helm(request: pytest.FixtureRequest) -> Helm:
    """Both supported major versions, for tests in which they may differ."""
    return Helm(request.param)


@pytest.fixture(scope="session")
def render() -> Render:
    """Render the chart; every object that comes back fits the schema of its kind."""
    return chart.render


@pytest.fixture(scope="session")
def render_fast() -> Renderer:
    """Render values, and nothing else: no files, nothing remembered."""
    return chart.engine()

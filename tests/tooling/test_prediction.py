"""`bench predict`: what it makes of measured rates. The measuring itself is `make bench-predict`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from hack.base.log import UserError
from hack.benchmark.prediction import DECODE, MIXES, PREFILL, SLOTS, VALUES, Load, Outcome, check
from hack.chart.render import Render
from hack.verbs import cli, predictions

S, T = 4000.0, 70.0


def pools(share: float = 1, *, later: float = 1) -> Callable[[Load], float]:
    """A release that takes what its pools do; of a mix only a share, and another one `later`."""
    seen: list[Load] = []

    def measure(load: Load) -> float:
        slower = later if load in seen else 1.0
        seen.append(load)
        rates = [PREFILL * S / load.prompt, DECODE * T / load.answer]
        if load in MIXES:
            return share * min(rates)
        return slower * rates["ST".index(load.name)]

    return measure


def test_each_mix_fills_another_pool() -> None:
    outcomes = check(pools())
    assert [round(outcome.predicted, 2) for outcome in outcomes] == [7.0, 1.4]
    assert [outcome.off for outcome in outcomes] == pytest.approx([0, 0])
    assert all(load.streams > SLOTS and load.requests >= 6 * load.streams for load in MIXES)


def test_how_far_it_is_off() -> None:
    (first, _) = check(pools(0.66))
    assert first.row == ["prefill is full", "800 / 10", "16", "4,000", "70", "7.00", "4.62", "-34%"]


@pytest.mark.parametrize("later", [0.8, 1.2])
def test_a_host_that_changed_gives_no_figures(later: float) -> None:
    with pytest.raises(UserError, match=r"S was 4,000 tokens/s before the mixes and .* run it again when the machine"):
        check(pools(later=later))


def test_the_release_is_what_the_prediction_is_for(render: Render) -> None:
    manifests = render(VALUES)
    replicas = {role: manifests.one("Deployment", component=role)["spec"]["replicas"] for role in ("prefill", "decode")}
    assert replicas == {"prefill": PREFILL, "decode": DECODE}
    assert manifests.pod("decode").container().flag("max-num-seqs") == str(SLOTS)


def test_the_page_has_the_figures_with_date_and_versions() -> None:
    text = predictions.page([Outcome(MIXES[0], S, T, 10, 9)])
    assert "| prefill is full | 800 / 10 | 16 | 4,000 | 70 | 10.00 | 9.00 | -10% |" in text
    section = text.partition("<!-- Prediction: begin")[2].partition("<!-- Prediction: end")[0]
    for word in ("Dynamo 1.6.1", "AIPerf 0.13.0", "20"):
        assert word in section


@pytest.mark.parametrize(("share", "code"), [(1, 0), (0.8, 1)])
def test_the_exit_code(share: float, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hack.cluster.kube.Kube.answering", lambda *_: None)
    monkeypatch.setattr("hack.cluster.lifecycle.load", lambda *_: None)
    monkeypatch.setattr("hack.containers.build_images.archives", lambda *_: [])
    monkeypatch.setattr(predictions, "measured", lambda *_: check(pools(share)))
    command = ["bench", "predict", "--out", str(tmp_path)]
    done = CliRunner().invoke(cli.program, command, catch_exceptions=False, standalone_mode=False)
    assert done.return_value == code

"""Whether the real scheduler of a test cluster places a release on KWOK nodes."""

import dataclasses
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hack.base.wait import UnrecoverableError, wait_for
from hack.chart.helm import HelmError
from hack.chart.scenarios import Scenario
from hack.cluster.kube import Kube
from hack.cluster.report import pod_line
from hack.kwok import simulator as simulators
from hack.kwok import substitutes
from hack.kwok.nodes import FakeNode
from hack.kwok.site import SECONDS, Site, components

# The scheduler tries a pod that it has refused again when a node changes; here none does.
REFUSED_SECONDS = 8


class _RefusedError(UnrecoverableError):
    """The scheduler has refused all pods that do not run, for long enough."""


def placed(
    scenario: Scenario, nodes: Sequence[FakeNode], wanted: dict[str, int], kubeconfig: Path
) -> tuple[str, list[str]]:
    """Install a scenario for as long as it takes to see where its pods go.

    `wanted` is the number of pods of each component. Returns the outcome in a few words, and what is wrong.
    """
    namespace = f"validate-{secrets.token_hex(3)}"
    total = sum(wanted.values())
    with simulators.running(kubeconfig) as simulator:
        site = Site(Kube(kubeconfig), simulator, scenario, namespace)
        simulator.open(namespace, namespace)
        substitutes.define_compute_domains(simulator)
        simulator.add(namespace, [dataclasses.replace(n, name=f"{namespace}-{n.name}") for n in nodes])
        try:
            site.install()
            _wait_until_decided(site, wanted)
        except HelmError as error:
            return "the test cluster refused the release", [error.stderr.strip()]
        except (TimeoutError, _RefusedError):
            pending = [pod for pod in site.pods() if pod.status.phase != "Running"]
            return f"{len(pending)} of {total} pods were not placed", [pod_line(pod) for pod in pending]
        finally:
            simulator.close(namespace)
    return f"{total} pods were placed on {len(nodes)} KWOK nodes", []


def _wait_until_decided(site: Site, wanted: dict[str, int]) -> None:
    """Wait until so many pods of each component run, or the scheduler has said no to all others."""
    refused_since: float | None = None

    def state() -> tuple[dict[str, int], int]:
        nonlocal refused_since
        pods = site.pods()
        others = [pod for pod in pods if pod.status.phase != "Running"]
        if not others or not all(map(_refused, others)):
            refused_since = None
        elif refused_since is None:
            refused_since = time.monotonic()
        elif time.monotonic() - refused_since > REFUSED_SECONDS:
            raise _RefusedError(f"{len(others)} pods were refused")
        return components([pod for pod in pods if pod.status.phase == "Running"]), len(others)

    wait_for(f"{wanted} run and no other", state, lambda seen: seen == (wanted, 0), SECONDS, 0.3)


def _refused(pod: Any) -> bool:
    return any((c.type, c.reason) == ("PodScheduled", "Unschedulable") for c in pod.status.conditions or [])

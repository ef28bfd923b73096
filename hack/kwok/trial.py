"""Whether the real scheduler of a test cluster places a release on KWOK nodes."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Sequence
from pathlib import Path

from hack.chart.helm import HelmError
from hack.chart.scenarios import Scenario
from hack.cluster.kube import Kube
from hack.cluster.report import pod_line
from hack.kwok import simulator as simulators
from hack.kwok import substitutes
from hack.kwok.nodes import FakeNode
from hack.kwok.site import Site


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
            site.wait_for(wanted, {})
        except HelmError as error:
            return "the test cluster refused the release", [error.stderr.strip()]
        except TimeoutError:
            pending = [pod for pod in site.pods() if pod.status.phase != "Running"]
            return f"{len(pending)} of {total} pods were not placed", [pod_line(pod) for pod in pending]
        finally:
            simulator.close(namespace)
    return f"{total} pods were placed on {len(nodes)} KWOK nodes", []

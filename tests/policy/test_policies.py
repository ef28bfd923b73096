"""Every values file, real and simulated, keeps every policy; and each policy can tell a bad object."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.chart import policy
from hack.chart.manifests import Manifests, merged
from hack.chart.policy import pods
from hack.chart.render import Render
from hack.chart.scenarios import ALL, Scenario

BAD: dict[str, list[dict[str, Any]]] = yaml.load(
    Path(__file__).with_name("bad.yaml").read_text(), Loader=yaml.CSafeLoader
)
BY_NAME = {scenario.name: scenario for scenario in ALL}


@pytest.mark.parametrize("scenario", ALL, ids=lambda s: s.name)
def test_policies_are_kept(scenario: Scenario) -> None:
    judged = policy.judged(scenario.render(), scenario.effective)
    assert {name: problems for name, problems in judged.items() if problems} == {}


@pytest.mark.parametrize("scenario", ALL, ids=lambda s: s.name)
def test_presets_say_why_their_pods_are_not_restricted(scenario: Scenario) -> None:
    assert pods.unexplained(scenario.render(), scenario.effective) == {}


RDMA = {"extendedResources": {"rdma/ib": 8}, "capabilities": ["IPC_LOCK", "SYS_PTRACE"], "runAsRoot": True}


@pytest.mark.parametrize(
    ("values", "asked"),
    [
        ({"global": {"hardwareSpec": {"rdma": RDMA}}}, ["capability IPC_LOCK", "capability SYS_PTRACE", "runAs"]),
        ({"global": {"hardwareSpec": {"rdma": RDMA, "reasons": {"capabilities": "RDMA locks memory."}}}}, []),
        ({"global": {"hardwareSpec": {"hostPaths": {"ib": {"path": "/dev/ib", "mountPath": "/ib"}}}}}, ["volume type"]),
        ({"decode": {"volumes": {"a": {"mountPath": "/a", "source": {"hostPath": {"path": "/a"}}}}}}, ["volume type"]),
        ({"decode": {"podSecurityContext": {"runAsUser": 0, "runAsNonRoot": False}}}, ["runAs"]),
        ({"decode": {"securityContext": {"privileged": True, "allowPrivilegeEscalation": True}}}, ["allow", "priv"]),
        ({"decode": {"hostNetwork": True, "hostIPC": True}}, ["hostIPC", "hostNetwork"]),
        (
            {"decode": {"initContainers": [{"name": "a", "image": "b", "securityContext": {"runAsNonRoot": False}}]}},
            ["runAsNonRoot"],
        ),
    ],
)
def test_what_values_ask_for_is_no_problem(values: dict[str, Any], asked: list[str], render: Render) -> None:
    effective = merged(Scenario("yours").effective, values)
    manifests = render(values)
    assert [text for problems in policy.judged(manifests, effective).values() for text in problems] == []
    found = pods.unexplained(manifests, effective).get("decode", [])
    assert bool(found) == bool(asked)
    assert [part for part in asked if not any(text.startswith(part) for text in found)] == []


def test_what_the_job_that_downloads_is_given_is_no_problem(render: Render) -> None:
    volume = {"mountPath": "/a", "source": {"hostPath": {"path": "/a"}}}
    hub = {"cache": {"claimName": "c"}, "download": {"enabled": True, "volumes": {"a": volume}}}
    values = {"global": {"model": {"source": {"huggingface": hub}}}}
    effective = merged(Scenario("yours").effective, values)
    assert [text for problems in policy.judged(render(values), effective).values() for text in problems] == []


def spoil(manifests: Manifests, bad: dict[str, Any]) -> None:
    """Change the objects as an entry of bad.yaml says."""
    what, component = bad["what"], bad.get("component", "decode")
    place: Any
    if what in ("pod", "container", "rank"):
        pod = (manifests.ranks if what == "rank" else manifests.leaders)(component)[0]
        place = pod.owner["spec"]["template"] if what == "pod" else pod.containers()[-1].spec
    else:
        found = manifests.all(what, component=component)
        place = next(item for item in found[::-1] if bad.get("name") in (None, item["metadata"]["name"]))
    *path, last = bad["at"].split()
    for key in path:
        place = place[key]
    if "to" not in bad:
        del place[last]
    elif last == "+":
        place.append(bad["to"])
    else:
        place[last] = bad["to"]


@pytest.mark.parametrize(
    ("name", "bad"), [pytest.param(name, bad, id=f"{name}: {bad['says']}") for name in BAD for bad in BAD[name]]
)
def test_a_bad_object_breaks_the_policy(name: str, bad: dict[str, Any]) -> None:
    scenario = BY_NAME[bad.get("scenario", "defaults")]
    manifests = scenario.render()
    if "what" in bad:
        spoil(manifests, bad)
    problems = policy.judged(manifests, merged(scenario.effective, bad.get("values", {})))[name.replace("_", " ")]
    assert [text for text in problems if bad["says"] in text], problems


def test_every_policy_has_a_bad_object() -> None:
    assert BAD.keys() == {p.__name__ for p in (*policy.OF_OBJECTS, *policy.OF_VALUES)}

"""The test pod and the canary: they run the program of the repository, on what the values promise."""

import json
from typing import Any

import pytest

from hack.base.paths import ROOT
from hack.chart.manifests import Manifests, merged
from hack.chart.render import Render
from hack.chart.scenarios import OVERLAY
from verify.plan import Plan

CANARY = {"canary": {"enabled": True}}


def plan(manifests: Manifests, name: str = "test") -> Plan:
    return Plan(**json.loads(manifests.one("ConfigMap", component="verify")["data"][f"{name}.json"]))


def test_helm_test_is_one_pod_with_nothing_left_behind(render: Render) -> None:
    hooks = [o for o in render() if o["metadata"].get("annotations", {}).get("helm.sh/hook") == "test"]
    assert [(o["kind"], o["metadata"]["name"]) for o in hooks] == [("Pod", "demo-test")]
    assert hooks[0]["metadata"]["annotations"]["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"


@pytest.mark.parametrize("kind", ["Pod", "CronJob"])
def test_it_runs_the_program_of_the_repository(kind: str, render: Render) -> None:
    manifests = render(CANARY)
    spec = pod_of(manifests.one(kind))
    (container,) = spec["containers"]
    (volume,) = spec["volumes"]
    data = manifests.one("ConfigMap", component="verify")["data"]
    files = {file.name: file.read_text().strip() for file in (ROOT / "files" / "verify").glob("*.py")}
    assert "__main__.py" in files
    assert {name: text for name, text in data.items() if name.endswith(".py")} == files
    assert volume["configMap"]["name"] == manifests.one("ConfigMap", component="verify")["metadata"]["name"]
    *command, document = container["command"]
    assert command == ["python3", "-m", "verify"]
    assert document in {f"verify/{name}" for name in data}


def pod_of(item: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = item["spec"]
    return spec if item["kind"] == "Pod" else spec["jobTemplate"]["spec"]["template"]["spec"]


@pytest.mark.parametrize("kind", ["Pod", "CronJob"])
def test_a_namespace_with_quotas_can_admit_it(kind: str, render: Render) -> None:
    values = {"test": {"resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "ephemeral-storage": "1Gi"}}}}
    (container,) = pod_of(render(merged(CANARY, values)).one(kind))["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "1", "memory": "64Mi"},
        "limits": {"cpu": "2", "memory": "256Mi", "ephemeral-storage": "1Gi"},
    }


def test_what_is_asked(render: Render) -> None:
    values = {
        "test": {"promptTokens": 8000, "answerTokens": 50, "requests": 9, "requireCodeWord": True},
        "canary": {"enabled": True, "promptTokens": 300, "requests": 3},
    }
    manifests = render(values, ["values/a3u-multi.yaml"])
    assert plan(manifests) == Plan(
        release="demo",
        namespace="default",
        model="meta-llama/Llama-3.3-70B-Instruct",
        engine="vllm",
        connector="nixl",
        simulated=False,
        url="http://demo-frontend.default.svc:8000",
        pools={"prefill": "demo-prefill", "decode": "demo-decode"},
        block_size=128,
        prompt_tokens=8000,
        answer_tokens=50,
        requests=9,
        require_code_word=True,
        floor=1,
        floor_set=False,
        floor_reason="test.transport.minGBps is auto, and the values promise RDMA (global.rdma)",
        wait_seconds=240,
    )
    canary = plan(manifests, "canary")
    assert (canary.prompt_tokens, canary.requests, canary.answer_tokens, canary.wait_seconds) == (300, 3, 50, 30)


def test_an_aggregated_release_has_one_pool(render: Render) -> None:
    assert plan(render({"global": {"serving": "aggregated"}})).pools == {"decode": "demo-decode"}


@pytest.mark.parametrize(
    ("files", "values", "floor", "reason"),
    [
        (["values/a3u-multi.yaml"], {}, 1, "RDMA (global.rdma)"),
        (["values/a3u-multi.yaml"], {"global": {"rdma": {"enabled": False}}}, 0, "no RDMA"),
        (["values/tke-h20-multi.yaml"], {}, 1, "RDMA (global.rdma)"),
        (
            ["values/a4x-1p1d.yaml"],
            {"global": {"rdma": {"enabled": False}}},
            1,
            "NVLink (a ComputeDomain of gke-a4x)",
        ),
        ([], {"global": {"colocation": {"topologyKey": "kubernetes.io/hostname"}}}, 0, "no RDMA"),
        ([], {"global": {"colocation": {"topologyKey": "topology.kubernetes.io/zone"}}}, 0, "no RDMA"),
        (["values/aks-disagg.yaml"], {}, 0, "no RDMA"),
        (["values/a3u-multi.yaml", OVERLAY], {}, 0, "no RDMA"),
    ],
)
def test_the_floor_is_what_the_values_promise(
    files: list[str], values: dict[str, Any], floor: float, reason: str, render: Render
) -> None:
    found = plan(render(values, files))
    assert (found.floor, found.floor_set) == (floor, False)
    assert reason in found.floor_reason
    given = plan(render(merged(values, {"test": {"transport": {"minGBps": 2.5}}}), files))
    assert (given.floor, given.floor_set, given.floor_reason) == (2.5, True, "test.transport.minGBps")


def test_the_canary_is_off_by_default(render: Render) -> None:
    manifests = render()
    assert manifests.all("CronJob") == []
    assert "canary.json" not in manifests.one("ConfigMap", component="verify")["data"]


def test_a_failed_canary_is_one_failed_job(render: Render) -> None:
    job = render(CANARY).one("CronJob")["spec"]
    assert (job["schedule"], job["concurrencyPolicy"]) == ("*/15 * * * *", "Forbid")
    assert (job["successfulJobsHistoryLimit"], job["failedJobsHistoryLimit"]) == (1, 3)
    run = job["jobTemplate"]["spec"]
    assert (run["backoffLimit"], run["activeDeadlineSeconds"]) == (0, 300)
    (rule,) = run["podFailurePolicy"]["rules"]
    assert (rule["action"], rule["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    canary, test = (pod_of(render(CANARY).one(kind)) for kind in ("CronJob", "Pod"))
    canary["containers"][0]["command"][-1] = "verify/test.json"
    assert canary == test, "it runs as the test does"

"""The simulation keeps the topology and drops what a laptop cannot have."""

from typing import Any

import pytest

from hack.base.paths import ROOT
from hack.chart.manifests import COMPONENT, Container, Manifests, Object, PodTemplate, object_id
from hack.chart.render import Render
from hack.chart.scenarios import OVERLAY

SCENARIOS = sorted(str(p.relative_to(ROOT)) for p in (ROOT / "values").glob("*.yaml"))


# What a simulation has no use for: files of the engine, NVLink domains and claimed NICs.
DROPPED = ("ConfigMap", "ComputeDomain", "ResourceClaimTemplate")
# What proves a release, and the pods' scripts, simulated or not.
KEPT = ("verify", "scripts")


def main(pod: PodTemplate) -> Container:
    """The container that does a pod's work; a simulated leader of several nodes has the rendezvous beside it."""
    return next(c for c in pod.containers() if c.name != "rendezvous")


def without_rack(affinity: Any) -> Any:
    """An affinity without the NVLink domain of a ComputeDomain, which a simulation has not."""
    terms = (affinity or {}).get("podAffinity", {}).get("requiredDuringSchedulingIgnoredDuringExecution", [])
    if [term["topologyKey"] for term in terms] == ["nvidia.com/gpu.clique"]:
        return {kind: rules for kind, rules in affinity.items() if kind != "podAffinity"} or None
    return affinity


def component(item: Object) -> str:
    return str(item["metadata"]["labels"][COMPONENT])


def gpus(pod: PodTemplate) -> dict[str, Any]:
    limits = main(pod).spec["resources"]["limits"]
    return {name: count for name, count in limits.items() if name.endswith("/gpu")}


def claimed(manifests: Manifests, pod: PodTemplate) -> dict[str, Any]:
    """GPUs that a pod has by its claims: faked ones are a device plugin's."""
    names = [claim.get("resourceClaimTemplateName") for claim in pod.spec.get("resourceClaims", [])]
    templates = [item for item in manifests.all("ResourceClaimTemplate") if item["metadata"]["name"] in names]
    requests = [request for item in templates for request in item["spec"]["spec"]["devices"]["requests"]]
    count = sum(request["exactly"]["deviceClassName"] == "gpu.nvidia.com" for request in requests)
    return {"nvidia.com/gpu": count} if count else {}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_topology_stays(render: Render, scenario: str) -> None:
    real, simulated = render(None, [scenario]), render(None, [scenario, OVERLAY])
    dropped = {object_id(item) for kind in DROPPED for item in real.all(kind) if component(item) not in KEPT}
    assert set(simulated.ids()) == set(real.ids()) - dropped
    by_id = {pod.id: pod for pod in simulated.pods()}
    for before in real.pods():
        if before.owner["kind"] == "Pod":
            continue
        after = by_id[before.id]
        assert after.count == before.count, before.id
        for key in ("replicas", "strategy", "selector", "rolloutStrategy", "startupPolicy", "serviceName"):
            assert after.owner["spec"].get(key) == before.owner["spec"].get(key), before.id
        # The kubelet sets the architecture's label from its own machine.
        selector = {k: v for k, v in before.spec.get("nodeSelector", {}).items() if k != "kubernetes.io/arch"}
        assert after.spec.get("nodeSelector", {}) == selector, before.id
        assert after.spec.get("affinity") == without_rack(before.spec.get("affinity")), before.id
        for key in ("tolerations", "terminationGracePeriodSeconds", "serviceAccountName"):
            assert after.spec.get(key) == before.spec.get(key), f"{before.id} {key}"
        assert gpus(after) == gpus(before) | claimed(real, before), before.id
        for key in ("startupProbe", "livenessProbe", "readinessProbe", "lifecycle", "ports"):
            assert main(after).spec.get(key) == main(before).spec.get(key), f"{before.id} {key}"
    for kind in ("Service", "Role", "RoleBinding", "ServiceAccount", "PodDisruptionBudget"):
        assert simulated.all(kind) == real.all(kind)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_is_left_that_only_real_machines_have(render: Render, scenario: str) -> None:
    for pod in render(None, [scenario, OVERLAY]).pods():
        assert [v for v in pod.volumes().values() if v.keys() & {"hostPath", "persistentVolumeClaim", "csi"}] == []
        assert "resourceClaims" not in pod.spec, pod.id
        for container in pod.containers():
            resources = container.spec["resources"]
            extended = [n for n in resources["limits"] if "/" in n and not n.endswith("/gpu")]
            assert extended == [], container.id
            assert "add" not in container.spec["securityContext"].get("capabilities", {}), container.id
            assert "HF_TOKEN" not in container.env(), container.id


def test_workers_run_the_mocker_in_their_role(render: Render, role: str) -> None:
    container = render(None, ["values/a3u-multi.yaml", OVERLAY]).pod(role).container()
    assert container.args()[:3] == ["python3", "-m", "dynamo.mocker"]
    assert container.flag("disaggregation-mode") == role
    assert container.flag("model-name") == "meta-llama/Llama-3.3-70B-Instruct"
    assert container.flag("model-path") == "/opt/models/simulated"
    assert container.flag("block-size") == "128"


def test_the_frontend_keeps_its_command_line(render: Render) -> None:
    real = render(None, ["values/a3u-multi.yaml"]).pod("frontend").container()
    simulated = render(None, ["values/a3u-multi.yaml", OVERLAY]).pod("frontend").container()
    assert simulated.args() == real.args()


@pytest.mark.parametrize("component", ["frontend", "prefill", "decode"])
def test_one_image_that_is_never_looked_up_on_the_internet(render: Render, component: str) -> None:
    container = render(None, ["values/a3u-multi.yaml", OVERLAY]).pod(component).container()
    assert container.spec["image"] == "dynamo-disagg/sim-runtime:1.6.1"
    assert container.spec["imagePullPolicy"] == "IfNotPresent"
    assert container.env()["HF_HUB_OFFLINE"] == "1"


def test_what_the_mocker_models_reaches_it(render: Render, role: str) -> None:
    values = {
        "global": {
            "simulation": {"enabled": True, "speedupRatio": 10},
            "engine": {"args": {"max-num-seqs": 64, "num-gpu-blocks-override": 900}},
        },
        role: {"engineArgs": {"max-model-len": 4096, "enforce-eager": True}, "parallelism": {"data": 2}},
    }
    container = render(values).pod(role).container()
    assert container.flag("max-model-len") == "4096"
    assert container.flag("max-num-seqs") == "64"
    assert container.flag("num-gpu-blocks-override") == "900"
    assert container.flag("speedup-ratio") == "10"
    assert container.flag("data-parallel-size") == "2"
    assert container.flag("enforce-eager") is None, "the mocker does not know the flag"

"""Rules for every pod and container of every values file, real and simulated."""

from __future__ import annotations

import re
from typing import Any

from hack import machines
from tests.harness import podsecurity
from tests.harness.manifests import Container, Manifests, PodTemplate, is_hook
from tests.harness.scenarios import Scenario

# What TensorRT-LLM's sshd needs where the machine makes it root (docs/multi-node.md).
SSHD_NEEDS = {f"capability {name}" for name in ("AUDIT_WRITE", "SETGID", "SETUID", "SYS_CHROOT")}
# What a machine type may need beyond the "restricted" standard, by the key of the preset that asks for it.
MACHINE_NEEDS = {
    "volume type hostPath": "hostPaths",
    "capability IPC_LOCK": "capabilities",
    "runAsNonRoot": "capabilities",
    "runAsUser 0": "capabilities",
}


# The container of a worker that runs the engine; in simulation a leader has another beside it.
ENGINES = {"prefill": "engine", "decode": "engine"}


def long_running(manifests: Manifests) -> list[PodTemplate]:
    return [p for p in manifests.pods() if not is_hook(p.owner) and p.owner["kind"] != "Job"]


def reason(machine: str, key: str) -> str:
    """The comment above a key of a machine preset."""
    text = (machines.HARDWARE_FOLDER / f"_{machine}.tpl").read_text()
    match = re.search(rf"# (.+)\n *{key}:", text)
    return match[1] if match else ""


def test_pods_are_restricted_unless_the_machine_says_why_not(scenario: Scenario, manifests: Manifests) -> None:
    machine = scenario.effective["global"]["hardware"]
    # Whoever chooses this source is told what it takes (schemas/model.yaml).
    on_nodes = scenario.effective["global"]["model"]["source"]["type"] == "hostPath"
    for pod in manifests.pods():
        for violation in podsecurity.violations(pod):
            if on_nodes and violation == "volume type hostPath":
                continue
            if violation in SSHD_NEEDS and scenario.effective["global"]["engine"]["name"] == "trtllm" and not pod.leads:
                continue
            assert violation in MACHINE_NEEDS, f"{pod.id}: {violation}"
            assert reason(machine, MACHINE_NEEDS[violation]), (
                f"{pod.id}: {violation}: no comment above {MACHINE_NEEDS[violation]} in the preset {machine}"
            )


def test_a_simulation_is_restricted(scenario: Scenario, manifests: Manifests) -> None:
    if scenario.effective["global"]["simulation"]["enabled"]:
        assert {p.id: v for p in manifests.pods() if (v := podsecurity.violations(p))} == {}


def test_containers_have_resources(manifests: Manifests) -> None:
    for container in manifests.containers():
        resources = container.spec.get("resources", {})
        assert {"cpu", "memory"} <= resources.get("requests", {}).keys(), container.id
        assert "memory" in resources.get("limits", {}), container.id
        for name, amount in resources["limits"].items():
            if "/" in name:  # Kubernetes refuses extended resources whose request and limit differ
                assert resources["requests"].get(name) == amount, f"{container.id} {name}"


def test_images_are_pinned(manifests: Manifests) -> None:
    for container in manifests.containers():
        image: str = container.spec["image"]
        last = image.rpartition("/")[2]
        assert "@sha256:" in image or ":" in last, f"{container.id}: {image}"
        assert not last.endswith(":latest"), f"{container.id}: {image}"
        assert container.spec["imagePullPolicy"] in ("IfNotPresent", "Always", "Never"), container.id


def test_long_running_containers_have_probes(manifests: Manifests) -> None:
    for pod in long_running(manifests):
        for container in pod.containers():
            if container.init or container.name == "rendezvous":
                continue
            if not pod.leads:
                # Ranks >= 1 answer no HTTP: the engine's own collectives notice a lost one.
                probes = [container.spec[k] for k in container.spec if k.endswith("Probe")]
                assert not [probe for probe in probes if "exec" not in probe], container.id
                assert container.spec.keys().isdisjoint({"ports", "livenessProbe", "startupProbe"}), container.id
                continue
            ports = {p["name"] for p in container.spec["ports"]}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                assert container.spec[probe]["httpGet"]["port"] in ports, f"{container.id} {probe}"
            liveness = container.spec["livenessProbe"]
            assert liveness["failureThreshold"] >= 3, f"{container.id}: a moment's load would restart it"
            assert liveness["timeoutSeconds"] <= liveness["periodSeconds"], container.id


def test_pods_say_how_long_they_may_take_to_stop(manifests: Manifests) -> None:
    for pod in long_running(manifests):
        grace = pod.spec["terminationGracePeriodSeconds"]
        for container in pod.containers():
            sleep = container.spec.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            assert sleep < grace, container.id


def test_only_kubernetes_discovery_gets_a_token(scenario: Scenario, manifests: Manifests) -> None:
    by_discovery = scenario.effective["global"]["discovery"]["backend"] == "kubernetes"
    for pod in manifests.pods():
        is_dynamo = pod.labels["app.kubernetes.io/component"] in ("frontend", "prefill", "decode")
        # It asks the API server; that is all it does.
        asks = pod.labels["app.kubernetes.io/component"] == "preflight"
        assert pod.spec["automountServiceAccountToken"] is ((by_discovery and is_dynamo) or asks), pod.id


def test_volumes_and_mounts_fit(manifests: Manifests) -> None:
    for pod in manifests.pods():
        claims = pod.owner["spec"].get("volumeClaimTemplates", [])
        volumes = {*pod.volumes(), *(c["metadata"]["name"] for c in claims)}
        mounted = {m["name"] for c in pod.containers() for m in c.spec.get("volumeMounts", [])}
        assert mounted == volumes, pod.id


def variables_used(container: Container) -> dict[str, set[str]]:
    """$(NAME) in the values of variables, by the variable that uses them."""
    pattern = re.compile(r"(?<!\$)\$\(([A-Za-z_][A-Za-z0-9_]*)\)")
    return {e["name"]: set(pattern.findall(e["value"])) for e in container.spec.get("env", []) if "value" in e}


def test_variables_are_defined_before_they_are_used(manifests: Manifests) -> None:
    for container in manifests.containers():
        names = [e["name"] for e in container.spec.get("env", [])]
        # The controller of LeaderWorkerSets puts it in front of the others.
        injected = {"LWS_LEADER_ADDRESS"} if container.id.startswith("LeaderWorkerSet/") else set()
        for name, used in variables_used(container).items():
            before = {*names[: names.index(name)], *injected}
            assert used <= before, f"{container.id}: {name} uses {used - before}"
        in_arguments = set(re.findall(r"\$\(([A-Z_]+)\)", " ".join(container.args())))
        assert in_arguments <= set(names), f"{container.id}: {in_arguments - set(names)}"


def test_port_names_are_unique(manifests: Manifests) -> None:
    for pod in manifests.pods():
        names = [p["name"] for c in pod.containers() for p in c.spec.get("ports", [])]
        assert len(names) == len(set(names)), f"{pod.id}: {names}"


def test_no_connection_settings_for_what_is_not_used(scenario: Scenario, manifests: Manifests) -> None:
    settings: dict[str, Any] = scenario.effective["global"]
    etcd = settings["discovery"]["backend"] == "etcd"
    nats = "nats" in (settings["requestPlane"], settings["eventPlane"])
    for component in ("frontend", "prefill", "decode"):
        for pod in manifests.pods(component):
            names = pod.container(ENGINES.get(component)).env()
            assert ("ETCD_ENDPOINTS" in names) == etcd, pod.id
            assert ("NATS_SERVER" in names) == nats, pod.id
    assert bool(manifests.all(component="etcd")) == scenario.effective["etcd"]["enabled"]
    assert bool(manifests.all(component="nats")) == scenario.effective["nats"]["enabled"]


def test_gpus_are_what_the_parallelism_needs(scenario: Scenario, manifests: Manifests) -> None:
    """A second computation, in another language, of what the templates derive."""
    values = scenario.effective
    machine = machines.load_machine(values["global"]["hardware"])
    spec = values["global"]["hardwareSpec"]
    resource, per_node = spec.get("gpuResource", machine.gpu_resource), spec.get("gpusPerNode", machine.gpus_per_node)
    roles = ("prefill", "decode") if values["global"]["serving"] == "disaggregated" else ("decode",)
    for role in roles:
        parallelism = values[role]["parallelism"]
        worker = parallelism["tensor"] * parallelism["pipeline"]
        if values["global"]["engine"]["name"] == "vllm":
            worker *= parallelism["data"]
        pods, gpus = 0, 0
        for pod in manifests.pods(role):
            of_pod = pod.container("engine").spec["resources"]["limits"][resource]
            assert of_pod == min(worker, per_node), pod.id
            pods, gpus = pods + pod.count, gpus + pod.count * of_pod
        assert gpus == worker * values[role]["replicas"], role
        assert sum(p.count for p in manifests.leaders(role)) == values[role]["replicas"], role
        assert pods == values[role]["replicas"] * -(-worker // per_node), role

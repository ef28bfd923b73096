"""TensorRT-LLM: flags of dynamo.trtllm, the file with the engine's settings, and the ranks of several nodes."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from hack.chart.helm import HelmError
from hack.chart.manifests import Container, Manifests, Object, PodTemplate, merged, nested
from hack.chart.render import Render
from hack.chart.renderer import Cluster, Renderer

TRTLLM = {"global": {"engine": {"name": "trtllm"}, "model": {"name": "org/model"}}}
FILE = "/etc/dynamo/engine.yaml"


def engine(render: Render, role: str, values: Any = None) -> Container:
    return render(merged(TRTLLM, values or {})).pod(role).container("engine")


def settings(render: Render, role: str, values: Any = None) -> dict[str, Any]:
    """The file of a role, as TensorRT-LLM reads it."""
    manifests = render(merged(TRTLLM, values or {}))
    content: dict[str, Any] = yaml.safe_load(manifests.one("ConfigMap", component=role)["data"]["engine.yaml"])
    return content


# The command line


def test_the_command_line_names_the_file(render: Render, role: str) -> None:
    manifests = render(TRTLLM)
    container = manifests.pod(role).container("engine")
    assert container.args()[:3] == ["python3", "-m", "dynamo.trtllm"]
    assert container.flag("extra-engine-args") == FILE
    assert container.spec["image"] == "nvcr.io/nvidia/ai-dynamo/tensorrtllm-runtime:1.6.1"
    mounts = {m["name"]: m["mountPath"] for m in container.spec["volumeMounts"]}
    assert FILE.startswith(mounts["engine-config"] + "/")


def test_derived_flags_of_a_role(render: Render, role: str) -> None:
    parallelism = {"tensor": 4, "pipeline": 2, "data": 4, "expert": 2}
    container = engine(render, role, {role: {"parallelism": parallelism}, "global": {"kvCache": {"blockSize": 64}}})
    expected = {
        "model": "org/model",
        "served-model-name": "org/model",
        "disaggregation-mode": role,
        "kv-block-size": "64",
        "tensor-parallel-size": "4",
        "pipeline-parallel-size": "2",
        "expert-parallel-size": "2",
        "enable-attention-dp": "",
    }
    assert {flag: container.flag(flag) for flag in expected} == expected
    assert container.spec["resources"]["limits"]["nvidia.com/gpu"] == 8


def test_degrees_of_one_are_left_to_the_engine(render: Render, role: str) -> None:
    container = engine(render, role)
    assert container.flag("tensor-parallel-size") == "1"
    for flag in ("pipeline-parallel-size", "expert-parallel-size", "enable-attention-dp"):
        assert container.flag(flag) is None, flag


def test_an_aggregated_worker(render: Render) -> None:
    values = nested("global.serving", "aggregated")
    container = engine(render, "decode", values)
    assert container.flag("disaggregation-mode") == "agg"
    assert container.flag("publish-kv-events") == ""
    assert settings(render, "decode", values) == {"kv_cache_config": {"tokens_per_block": 128}}


@pytest.mark.parametrize(("mode", "publishers"), [("kv", {"prefill"}), ("round-robin", set())])
def test_workers_that_the_router_indexes_publish_events(
    render: Render, role: str, mode: str, publishers: set[str]
) -> None:
    flag = engine(render, role, nested("global.router.mode", mode)).flag("publish-kv-events")
    assert flag == ("" if role in publishers else None)


def test_flags_of_dynamo_stay_on_the_command_line(render: Render, role: str) -> None:
    shared = nested("global.engine.args", {"max-num-tokens": 8192, "publish-metrics": True, "max-seq-len": 1000000})
    container = engine(render, role, merged(shared, {role: {"engineArgs": {"publish-metrics": False}}}))
    assert container.flag("max-num-tokens") == "8192"
    assert container.flag("max-seq-len") == "1000000"
    assert container.flag("no-publish-metrics") == ""
    assert container.flag("publish-metrics") is None


def test_raw_arguments_come_last(render: Render, role: str) -> None:
    raw = ["--trtllm.enable_chunked_prefill", "true"]
    assert engine(render, role, {role: {"extraArgs": raw}}).args()[-2:] == raw


# The file


def test_what_the_file_always_has(render: Render) -> None:
    derived = {"kv_cache_config": {"tokens_per_block": 128}, "cache_transceiver_config": {"backend": "NIXL"}}
    # A worker that only prefills has no next step to overlap with.
    assert settings(render, "prefill") == derived | {"disable_overlap_scheduler": True}
    assert settings(render, "decode") == derived


def test_settings_of_the_engine_go_into_the_file(render: Render, role: str) -> None:
    shared = {"trtllm.kv_cache_config.free_gpu_memory_fraction": 0.85, "trtllm.max_draft_len": 1000000}
    own = {
        "trtllm.kv_cache_config": {"host_cache_size": 1024},
        "trtllm.cache_transceiver_config.max_tokens_in_buffer": 16384,
        "trtllm.cuda_graph_config.batch_sizes": [1, 2, 1024],
        "trtllm.trust_remote_code": True,
        "trtllm.disable_overlap_scheduler": False,
    }
    values = merged(nested("global.engine.args", shared), {role: {"engineArgs": own}})
    assert settings(render, role, values) == {
        "kv_cache_config": {"free_gpu_memory_fraction": 0.85, "host_cache_size": 1024, "tokens_per_block": 128},
        "cache_transceiver_config": {"backend": "NIXL", "max_tokens_in_buffer": 16384},
        "cuda_graph_config": {"batch_sizes": [1, 2, 1024]},
        "trust_remote_code": True,
        "disable_overlap_scheduler": False,
        "max_draft_len": 1000000,
    }
    assert [a for a in engine(render, role, values).args() if a.startswith("--trtllm")] == []


def test_settings_may_be_one_map(render: Render, role: str) -> None:
    one = {"kv_cache_config": {"host_cache_size": 1024}, "stream_interval": 4}
    shared = nested("global.engine.args", {"trtllm": one})
    own = {role: {"engineArgs": {"trtllm.stream_interval": 8}}}
    found = settings(render, role, merged(shared, own))
    assert found["kv_cache_config"] == {"host_cache_size": 1024, "tokens_per_block": 128}
    assert found["stream_interval"] == 8


def test_the_null_of_a_setting_reaches_the_file(render: Render, role: str) -> None:
    shared = nested("global.engine.args", {"trtllm.cuda_graph_config": {"max_batch_size": 8}})
    own = {"trtllm.cuda_graph_config": None, "trtllm.kv_cache_config": {"host_cache_size": None}}
    found = settings(render, role, merged(shared, {role: {"engineArgs": own}}))
    assert found["cuda_graph_config"] is None


@pytest.mark.parametrize(
    "value", [True, False, 0, 1000000, 0.95, "fp8", "0123", "yes", "", "it's: {odd}\n# text", ["a", 1], {"a": [2.5]}]
)
def test_values_arrive_as_they_were_typed(render: Render, role: str, value: Any) -> None:
    found = settings(render, role, {role: {"engineArgs": {"trtllm.a.b": value}}})["a"]["b"]
    assert found == value
    assert type(found) is type(value)


def test_a_role_removes_a_shared_setting(render: Render, role: str) -> None:
    shared = nested("global.engine.args", {"trtllm.moe_config": {"backend": "WIDEEP"}, "trtllm.print_iter_log": True})
    found = settings(render, role, merged(shared, {role: {"engineArgs": {"trtllm.moe_config": None}}}))
    assert "moe_config" not in found
    assert found["print_iter_log"] is True


# What is refused


def test_derived_settings_are_refused_inside_a_map(render: Render, role: str) -> None:
    flags = {"trtllm.kv_cache_config": {"dtype": "fp8", "tokens_per_block": 64}}
    message = f"{role}.engineArgs.trtllm.kv_cache_config: the chart sets --trtllm.kv_cache_config.tokens_per_block"
    with pytest.raises(HelmError, match=message):
        engine(render, role, {role: {"engineArgs": flags}})


# Several nodes; what both controllers and all engines share is in test_multi_node.py.

NODES = 3


def spread(render: Render, controller: str, values: Any = None) -> Manifests:
    """Workers of three nodes of four GPUs in both pools."""
    shape = {"parallelism": {"tensor": 4, "pipeline": NODES}}
    machine = {"hardwareSpec": {"gpusPerNode": 4}, "multiNode": {"controller": controller, "sshSecret": "mpi-ssh"}}
    base = merged(TRTLLM, {"global": machine, "prefill": shape, "decode": shape})
    return render(merged(base, values or {}))


@pytest.fixture(params=["lws", "statefulset", "disaggregatedset"])
def controller(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_mpi_knows_every_pod_by_its_address(render: Render, controller: str, role: str) -> None:
    manifests = spread(render, controller)
    (leader,) = manifests.leaders(role)
    variables = leader.container().env()
    others = {
        "lws": [f"$(POD_NAME)-{rank}.demo-{role}-group:4" for rank in (1, 2)],
        # The set's controller names the group.
        "disaggregatedset": [f"$(POD_NAME)-{rank}.$(DYNAMO_GROUP):4" for rank in (1, 2)],
        "statefulset": [f"demo-{role}-rank-{rank}-$(DYNAMO_GROUP).demo-{role}-ranks:4" for rank in (1, 2)],
    }[controller]
    assert variables["MPI_HOSTS"].split(",") == ["$(POD_NAME):4", *others]
    assert variables["MPI_RANKS"] == "12"
    if controller == "statefulset":
        names = [item["metadata"]["name"] for item in manifests.all("StatefulSet", component=role)]
        assert names == [f"demo-{role}-rank-{rank}" for rank in range(3)]
        assert list(variables).index("DYNAMO_GROUP") < list(variables).index("MPI_HOSTS")
    elif controller == "lws":
        assert manifests.one("LeaderWorkerSet", component=role)["metadata"]["name"] == f"demo-{role}-group"


def test_every_rank_mounts_the_key(render: Render, controller: str, role: str) -> None:
    for pod in spread(render, controller).pods(role):
        assert pod.volumes()["mpi-ssh"]["secret"] == {"secretName": "mpi-ssh", "defaultMode": 0o440}, pod.id
        (mount,) = (m for m in pod.container().spec["volumeMounts"] if m["name"] == "mpi-ssh")
        assert mount["readOnly"] is True
        assert pod.container().env()["OMPI_MCA_orte_keep_fqdn_hostnames"] == "1"


def test_only_the_leader_has_dynamos_flags(render: Render, controller: str, role: str) -> None:
    manifests = spread(render, controller, {role: {"extraArgs": ["--skip-warmup"]}})
    (leader,) = manifests.leaders(role)
    bash, script, *command = leader.container().args()
    assert (bash, script, command[:3]) == ("bash", "/opt/ranks/lead.sh", ["python3", "-m", "dynamo.trtllm"])
    assert command[-1] == "--skip-warmup"
    for pod in manifests.ranks(role):
        assert pod.container().args() == ["bash", "/opt/ranks/join.sh"]
        assert "args" not in pod.container().spec


def test_every_rank_mounts_the_scripts(render: Render, controller: str, role: str) -> None:
    manifests = spread(render, controller)
    scripts = manifests.one("ConfigMap", component="ranks")
    assert scripts["data"].keys() == {"lead.sh", "join.sh", "key.sh"}
    for pod in manifests.pods(role):
        assert pod.volumes()["ranks"]["configMap"] == {"name": scripts["metadata"]["name"]}
        (mount,) = (m for m in pod.container().spec["volumeMounts"] if m["name"] == "ranks")
        assert mount["mountPath"] == "/opt/ranks"


def test_workers_of_one_node_need_no_scripts(render: Render) -> None:
    assert render(TRTLLM).all("ConfigMap", component="ranks") == []


def added(pod: PodTemplate) -> list[str]:
    found: list[str] = pod.container().spec["securityContext"]["capabilities"].get("add", [])
    return found


def test_sshd_gets_capabilities_only_where_the_machine_makes_it_root(
    render: Render, controller: str, role: str
) -> None:
    assert [pod.id for pod in spread(render, controller).pods(role) if added(pod)] == []
    manifests = spread(render, controller, nested("global.hardware", "gke-a4x"))
    for pod in manifests.leaders(role):
        assert added(pod) == ["IPC_LOCK"]
    for pod in manifests.ranks(role):
        assert added(pod) == ["IPC_LOCK", "AUDIT_WRITE", "SETGID", "SETUID", "SYS_CHROOT"]
    for pod in manifests.pods(role):
        security = pod.container().spec["securityContext"]
        assert not security.get("privileged", False)
        assert security["allowPrivilegeEscalation"] is False


def test_mpi_uses_the_nic_that_reaches_the_peers(render: Render, controller: str, role: str) -> None:
    names = ("OMPI_MCA_btl_tcp_if_include", "OMPI_MCA_oob_tcp_if_include")
    for pod in spread(render, controller).pods(role):
        assert not set(names) & pod.container().env().keys()
    for pod in spread(render, controller, nested("global.hardware", "gke-a4x")).pods(role):
        variables = pod.container().env()
        assert {variables[name] for name in names} == {variables["GLOO_SOCKET_IFNAME"]} == {"eth0"}


def nics(render: Render, role: str, *layers: Any) -> set[Any]:
    """The interfaces that MPI is told of, on a machine whose own is eth0."""
    names = ("OMPI_MCA_btl_tcp_if_include", "OMPI_MCA_oob_tcp_if_include")
    values: dict[str, Any] = nested("global.hardware", "gke-a4x")
    for layer in layers:
        values = merged(values, layer)
    found = [pod.container().env() for pod in spread(render, "lws", values).pods(role)]
    return {variables.get(name) for variables in found for name in names}


def test_mpi_uses_the_nic_that_values_name(render: Render, role: str) -> None:
    shared = nested("global.env.GLOO_SOCKET_IFNAME", "ens3")
    assert nics(render, role, shared) == {"ens3"}
    assert nics(render, role, shared, nested(f"{role}.env.GLOO_SOCKET_IFNAME", "ens4,ens5")) == {"ens4,ens5"}
    assert nics(render, role, shared, nested(f"{role}.env.GLOO_SOCKET_IFNAME", None)) == {None}
    source = {"configMapKeyRef": {"name": "nics", "key": "first"}}
    (reference,) = nics(render, role, nested("global.env.GLOO_SOCKET_IFNAME", source))
    assert reference == "$(GLOO_SOCKET_IFNAME)"
    own = nested("global.env", {"OMPI_MCA_btl_tcp_if_include": "ens6", "OMPI_MCA_oob_tcp_if_include": "ens6"})
    assert nics(render, role, shared, own) == {"ens6"}


def test_mpi_gets_the_nic_before_it_is_referred_to(render: Render, role: str) -> None:
    """Kubernetes fills in what stands above only."""
    source = {"configMapKeyRef": {"name": "nics", "key": "first"}}
    for pod in spread(render, "lws", nested("global.env.GLOO_SOCKET_IFNAME", source)).pods(role):
        order = list(pod.container().env())
        assert order.index("GLOO_SOCKET_IFNAME") < order.index("OMPI_MCA_btl_tcp_if_include")


def test_a_worker_of_one_node_needs_no_key(render: Render, role: str) -> None:
    pod = render(merged(TRTLLM, nested("global.multiNode.sshSecret", "mpi-ssh"))).pod(role)
    assert "mpi-ssh" not in pod.volumes()
    assert [name for name in pod.container().env() if "MPI" in name] == []


# Simulation


def test_the_mocker_models_tensorrt_llm(render: Render, role: str) -> None:
    args = {"max-seq-len": 4096, "max-batch-size": 64, "max-num-tokens": 8192, "trtllm.print_iter_log": True}
    simulated = {"global": {"simulation": {"enabled": True}, "engine": {"args": args}}}
    manifests = render(merged(TRTLLM, simulated))
    container = manifests.pod(role).container()
    assert container.flag("engine-type") == "trtllm"
    assert container.flag("max-model-len") == "4096"
    assert container.flag("max-num-seqs") == "64"
    assert container.flag("max-num-batched-tokens") == "8192"
    assert manifests.all("ConfigMap", component=role) == []


def test_simulated_ranks_need_no_key(render: Render, controller: str, role: str) -> None:
    for pod in spread(render, controller, nested("global.simulation.enabled", True)).pods(role):
        assert "mpi-ssh" not in pod.volumes(), pod.id
        assert [name for name in pod.container("engine").env() if "MPI" in name] == [], pod.id


# The Secret, where Helm can look at a cluster


@pytest.fixture
def refusal(render_fast: Renderer) -> Callable[..., str]:
    """What is said in a namespace with these objects besides its service account."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}
    several = {"global": {"multiNode": {"sshSecret": "mpi-ssh"}}, "prefill": {"parallelism": {"tensor": 16}}}

    def asked(*objects: Object, values: Any = None) -> str:
        wanted = merged(merged(TRTLLM, several), values or {})
        return render_fast(wanted, cluster=Cluster((account, *objects))).error

    return asked


def secret(key: str) -> Object:
    metadata = {"name": "mpi-ssh", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {key: "YQ=="}}


def test_the_secret_must_exist(refusal: Callable[..., str]) -> None:
    message = refusal()
    assert 'global.multiNode.sshSecret: there is no Secret "mpi-ssh" in namespace default: create it' in message
    assert "(ssh-keygen -t ed25519 -N '' -f id && kubectl -n default create secret generic mpi-ssh" in message
    for values in (nested("global.clusterChecks", False), nested("global.simulation.enabled", True)):
        assert "mpi-ssh" not in refusal(values=values)


def test_the_secret_must_have_the_key(refusal: Callable[..., str]) -> None:
    message = refusal(secret("id_rsa"))
    assert 'Secret "mpi-ssh" has no key "private.key" (it has: id_rsa): add it\n' in message
    assert "mpi-ssh" not in refusal(secret("private.key"))

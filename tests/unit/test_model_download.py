"""One Job downloads the model, in a claim that all pods share; the pods wait for it."""

import json
import re
from typing import Any

import pytest

from hack.base.paths import ROOT
from hack.chart.helm import HelmError
from hack.chart.manifests import Container, Manifests, is_hook, merged, nested
from hack.chart.render import Render
from hack.chart.renderer import Renderer
from hack.chart.scenarios import OVERLAY
from hack.chart.scenarios import model as source

COMPONENTS = ["frontend", "prefill", "decode"]
CREATED = {"create": {"enabled": True, "size": "100Gi"}}
ONE_NODE = {"create": {"enabled": True, "size": "100Gi", "accessModes": ["ReadWriteOnce"]}}
COLOCATED = {"global": {"colocation": {"topologyKey": "kubernetes.io/hostname"}}}
SOURCE = "global.model.source.huggingface"


def download(cache: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Values of a model that a Job downloads."""
    block = {"cache": CREATED if cache is None else cache, "download": {"enabled": True, **more}}
    return source("huggingface", tokenSecret={"name": "hf"}, **block)


def job_of(manifests: Manifests) -> Container:
    return manifests.pod("model").container("download")


def waiter(manifests: Manifests, component: str) -> Container:
    return manifests.pod(component).container("wait-for-model")


def folder(manifests: Manifests) -> str:
    return str(job_of(manifests).env()["MODEL_FOLDER"])


@pytest.mark.parametrize("component", COMPONENTS)
def test_pods_wait_for_the_folder_that_the_job_fills(render: Render, component: str) -> None:
    manifests = render(download(revision="v1"))
    variables = waiter(manifests, component).env()
    assert variables["MODEL_MARKER"] == f"{folder(manifests)}/.complete"
    identity = json.loads(job_of(manifests).env()["MODEL_IDENTITY"])
    assert json.loads(variables["MODEL_EXPECTED"]).items() <= identity.items()
    assert identity == {"repository": "org/model", "revision": "v1", "allowPatterns": [], "ignorePatterns": []}
    # The command finds the Job's pods.
    selector = re.search(r"-l (\S+)", variables["MODEL_HINT"])
    assert selector
    wanted = dict(pair.split("=") for pair in selector[1].split(","))
    assert wanted.items() <= manifests.pod("model").labels.items()


def test_workers_load_that_folder(render: Render, role: str) -> None:
    manifests = render(download())
    assert manifests.pod(role).container().flag("model") == folder(manifests)


@pytest.mark.parametrize("component", COMPONENTS)
def test_only_the_job_writes_and_knows_the_token(render: Render, component: str) -> None:
    manifests = render(download())
    pod = manifests.pod(component)
    for container in pod.containers():
        (mount,) = (m for m in container.spec["volumeMounts"] if m["name"] == "model")
        assert mount == {"name": "model", "mountPath": "/models", "readOnly": True}
        assert "HF_TOKEN" not in container.env()
    assert pod.container().env()["HF_HUB_OFFLINE"] == "1"
    assert pod.volumes()["model"] == manifests.pod("model").volumes()["model"]
    assert job_of(manifests).env()["HF_TOKEN"] == {"secretKeyRef": {"name": "hf", "key": "HF_TOKEN"}}
    (mount,) = (m for m in job_of(manifests).spec["volumeMounts"] if m["name"] == "model")
    assert not mount.get("readOnly")


def test_every_rank_of_a_worker_waits(render: Render) -> None:
    manifests = render(merged(download(), {"decode": {"parallelism": {"tensor": 16}}}))
    assert len(manifests.pods("decode")) == 2
    assert all(pod.container("wait-for-model") for pod in manifests.pods("decode"))


def test_waiting_takes_no_more_and_no_less_than_the_pod_takes_then(render: Render) -> None:
    amounts = {
        "requests": {"cpu": "1", "memory": "2Gi", "ephemeral-storage": "3Gi", "hugepages-2Mi": "4Mi"},
        "limits": {"cpu": "5", "memory": "16Gi", "ephemeral-storage": "7Gi", "hugepages-2Mi": "4Mi"},
    }
    manifests = render(merged(download(), {component: {"resources": amounts} for component in COMPONENTS}))
    expected = {kind: {k: v for k, v in of.items() if "hugepages" not in k} for kind, of in amounts.items()}
    for component in COMPONENTS:
        # No GPU, of which it has no use.
        assert waiter(manifests, component).spec["resources"] == expected
    assert manifests.pod("decode").container().spec["resources"]["limits"]["nvidia.com/gpu"]


def test_waiting_has_no_limit_where_the_pod_has_none(render: Render) -> None:
    manifests = render(merged(download(), {"frontend": {"resources": {"limits": {"memory": None}}}}))
    assert waiter(manifests, "frontend").spec["resources"] == {"requests": {"cpu": "2", "memory": "8Gi"}, "limits": {}}


def test_the_scripts_are_the_files(render: Render) -> None:
    data = render(download()).one("ConfigMap", component="model")["data"]
    files = {"wait.py": "model_wait.py", "download.py": "model_download.py"}
    assert data == {key: (ROOT / "files" / name).read_text().strip() for key, name in files.items()}


def test_the_job_is_no_hook(render: Render) -> None:
    assert not is_hook(render(download()).one("Job"))


OF_THE_MODEL = [
    (SOURCE + ".repository", "org/other"),
    (SOURCE + ".download.revision", "v2"),
    (SOURCE + ".download.allowPatterns", ["*.json"]),
    (SOURCE + ".download.ignorePatterns", ["*.pth"]),
]
OF_THE_JOB = [
    (SOURCE + ".download.backoffLimit", 0),
    (SOURCE + ".download.resources.limits.memory", "16Gi"),
    (SOURCE + ".download.nodeSelector", {"pool": "cpu"}),
    (SOURCE + ".download.tolerations", [{"operator": "Exists"}]),
    (SOURCE + ".download.volumes", {"data": {"mountPath": "/data", "source": {"emptyDir": {}}}}),
    (SOURCE + ".tokenSecret.key", "token"),
]


@pytest.mark.parametrize(("path", "value"), [*OF_THE_MODEL, *OF_THE_JOB])
def test_a_job_is_never_changed(render: Render, path: str, value: Any) -> None:
    """Kubernetes refuses that: what differs is another Job."""
    before = render(download()).one("Job")
    after = render(merged(download(), nested(path, value))).one("Job")
    assert before["spec"] != after["spec"]
    assert before["metadata"]["name"] != after["metadata"]["name"]


def test_a_job_that_is_the_same_has_the_same_name(render: Render) -> None:
    other = merged(download(), {"decode": {"replicas": 3}, "frontend": {"replicas": 2}})
    assert render(other).one("Job") == render(download()).one("Job")


@pytest.mark.parametrize(("path", "value"), OF_THE_MODEL)
def test_another_model_has_another_folder(render: Render, path: str, value: Any) -> None:
    assert folder(render(merged(download(), nested(path, value)))) != folder(render(download()))


@pytest.mark.parametrize(("path", "value"), OF_THE_JOB)
def test_another_job_restarts_no_worker(render: Render, role: str, path: str, value: Any) -> None:
    assert render(merged(download(), nested(path, value))).pod(role) == render(download()).pod(role)


def test_the_exit_code_without_another_attempt_is_the_scripts(render: Render) -> None:
    _, rule = render(download()).one("Job")["spec"]["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob"
    (code,) = rule["onExitCodes"]["values"]
    assert f"sys.exit({code})" in (ROOT / "files" / "model_download.py").read_text()


def test_the_job_has_the_releases_environment(render: Render) -> None:
    values = merged(download(), {"global": {"env": {"HF_ENDPOINT": "https://hub.example.com"}}})
    assert job_of(render(values)).env()["HF_ENDPOINT"] == "https://hub.example.com"


def test_the_job_mounts_what_it_is_given(render: Render) -> None:
    volume = {"mountPath": "/etc/corp-ca", "readOnly": True, "source": {"configMap": {"name": "corp-ca"}}}
    plain, manifests = render(download()), render(download(volumes={"corp-ca": volume, "none": None}))
    mount = {"name": "corp-ca", "mountPath": "/etc/corp-ca", "readOnly": True}
    assert job_of(manifests).spec["volumeMounts"] == [*job_of(plain).spec["volumeMounts"], mount]
    assert manifests.pod("model").volumes() == {
        **plain.pod("model").volumes(),
        "corp-ca": {"name": "corp-ca", "configMap": {"name": "corp-ca"}},
    }


# The claim


@pytest.mark.parametrize("name", ["", "weights"])
def test_a_created_claim(render: Render, name: str) -> None:
    manifests = render(download({"claimName": name, **merged(CREATED, {"create": {"storageClass": "shared"}})}))
    claim = manifests.one("PersistentVolumeClaim")
    assert claim["metadata"]["name"] == (name or "demo-model")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "shared",
        "resources": {"requests": {"storage": "100Gi"}},
    }
    for pod in (manifests.pod(component) for component in (*COMPONENTS, "model")):
        assert pod.volumes()["model"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]


def test_a_claim_that_goes_with_the_release(render: Render) -> None:
    claim = render(download(merged(CREATED, {"create": {"keep": False}}))).one("PersistentVolumeClaim")
    assert "annotations" not in claim["metadata"]


def test_an_existing_claim_is_not_created(render: Render) -> None:
    manifests = render(download({"claimName": "cache"}))
    assert not manifests.all("PersistentVolumeClaim")
    assert manifests.pod("model").volumes()["model"]["persistentVolumeClaim"] == {"claimName": "cache"}


def test_a_created_cache_without_a_job(render: Render, role: str) -> None:
    manifests = render(source("huggingface", cache=CREATED))
    assert manifests.one("PersistentVolumeClaim")
    assert not manifests.all("Job")
    assert manifests.pod(role).volumes()["model-cache"]["persistentVolumeClaim"] == {"claimName": "demo-model"}
    assert "emptyDir" in manifests.pod("frontend").volumes()["model-cache"]


@pytest.mark.parametrize("component", ["frontend", "model"])
def test_one_node_for_the_claim_is_the_workers(render: Render, component: str) -> None:
    """The node that the GPUs decide, with its taints."""
    machine = {"global": {"hardware": "gke-a3ultra", "rdma": {"enabled": False}}}
    manifests = render(merged(merged(download(ONE_NODE), COLOCATED), machine))
    pod, worker = manifests.pod(component), manifests.pod("decode")
    assert pod.spec["affinity"]["podAffinity"] == worker.spec["affinity"]["podAffinity"]
    assert pod.spec["tolerations"] == worker.spec["tolerations"]
    shared = render(merged(merged(download(), COLOCATED), machine)).pod(component)
    assert "podAffinity" not in shared.spec["affinity"]
    assert "tolerations" not in shared.spec


def test_one_node_keeps_the_frontends_own_affinity(render: Render) -> None:
    own: dict[str, Any] = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}
    values = merged(merged(download(ONE_NODE), COLOCATED), {"frontend": {"affinity": own}})
    assert render(values).pod("frontend").spec["affinity"].keys() == {"nodeAffinity", "podAffinity"}


def test_one_worker_is_on_one_node(render: Render) -> None:
    alone = {"global": {"serving": "aggregated"}}
    assert render(merged(download(ONE_NODE), alone)).one("PersistentVolumeClaim")
    two = {"global": {"serving": "aggregated"}, "decode": {"replicas": 2}}
    scaled = {"autoscaling": {"enabled": True, "maxReplicas": 2}, "rollingUpdate": {"maxSurge": 0}}
    may = {"global": {"serving": "aggregated", "router": {"mode": "kv"}}, "decode": scaled}
    prometheus = {"autoscaling": {"prometheusUrl": "http://prometheus:9090"}}
    for several in (two, merged(may, prometheus)):
        with pytest.raises(HelmError, match=r"cache\.create\.accessModes: the workers may be on several nodes"):
            render(merged(download(ONE_NODE), several))


def test_a_worker_that_an_upgrade_starts_on_another_node_than_its_claim_is_warned_of(render_fast: Renderer) -> None:
    alone = merged(download(ONE_NODE), {"global": {"serving": "aggregated"}})
    warned = "cache.create.accessModes: an upgrade starts a decode worker beside the old one"
    assert warned in render_fast(alone).notes
    steps = {"decode": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}
    many = nested("global.model.source.huggingface.cache.create.accessModes", ["ReadWriteMany"])
    for calm in (steps, many, COLOCATED):
        assert warned not in render_fast(merged(alone, calm)).notes


def test_the_download_asks_the_hub_whatever_the_others_may(render: Render) -> None:
    """What the rule about HF_HUB_OFFLINE advises must work."""
    env = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HOME": "/models", "HTTPS_PROXY": "http://proxy:3128"}
    manifests = render(merged(download(), {"global": {"env": env}}))
    found = job_of(manifests).env()
    assert {name: found.get(name) for name in env} == {
        "HF_HUB_OFFLINE": None,
        "TRANSFORMERS_OFFLINE": None,
        "HF_HOME": "/tmp/huggingface",
        "HTTPS_PROXY": "http://proxy:3128",
    }
    assert manifests.pod("decode").container().env()["HF_HUB_OFFLINE"] == "1"


def test_a_worker_of_several_nodes_needs_a_claim_for_several(render: Render) -> None:
    values = merged(merged(download(ONE_NODE), COLOCATED), {"decode": {"parallelism": {"tensor": 16}}})
    with pytest.raises(HelmError, match=r"a ReadWriteOnce claim is on one: set \[ReadWriteMany\]\n"):
        render(values)


def test_a_created_claim_is_filled_before_pods_start(render: Render, role: str) -> None:
    manifests = render(source("pvc", path="a/b", **CREATED))
    variables = waiter(manifests, role).env()
    assert variables["MODEL_MARKER"] == "/models/a/b/.complete"
    assert json.loads(variables["MODEL_EXPECTED"]) == {}
    assert "Copy the model into claim demo-model, to /a/b," in variables["MODEL_HINT"]
    assert manifests.one("ConfigMap", component="model")["data"].keys() == {"wait.py"}
    assert not manifests.all("Job")


# Time, and simulation


@pytest.mark.parametrize("values", [download(), source("pvc", claimName="weights")], ids=["download", "claim"])
def test_a_deployment_has_the_time_its_pods_need(render: Render, role: str, values: dict[str, Any]) -> None:
    """Else `helm --wait` gives up on a model that is still loading."""
    deployment = render(values).one("Deployment", component=role)
    probe = render(values).pod(role).container().spec["startupProbe"]
    assert deployment["spec"]["progressDeadlineSeconds"] >= 600 + probe["periodSeconds"] * probe["failureThreshold"]


def test_waiting_takes_time_too(render: Render) -> None:
    """30 GiB at 100 MiB/s, once more for the workers to load them."""
    deadlines = [
        render(values).one("Deployment", component="frontend")["spec"]["progressDeadlineSeconds"]
        for values in (source("pvc", claimName="weights"), download())
    ]
    assert deadlines == [600 + 900, 900 + 900]


def test_a_simulation_downloads_nothing(render: Render) -> None:
    manifests = render(download(), [OVERLAY])
    assert not [o for kind in ("Job", "PersistentVolumeClaim") for o in manifests.all(kind)]
    assert not manifests.all("ConfigMap", component="model")
    assert not [pod.id for pod in manifests.pods() if "initContainers" in pod.spec]

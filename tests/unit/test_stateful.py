"""What the etcd and NATS subcharts have in common: StatefulSets of one or three pods that know each other."""

from collections.abc import Callable
from typing import Any

import pytest

from hack.chart.helm import HelmError
from hack.chart.manifests import Manifests, merged, nested
from hack.chart.render import Render
from hack.chart.renderer import Cluster, Renderer

# Values with which each subchart is installed, with volumes.
INSTALLED: dict[str, dict[str, Any]] = {
    "etcd": {"etcd": {"enabled": True}, "global": {"discovery": {"backend": "etcd"}}},
    "nats": {"nats": {"enabled": True, "jetstream": {"enabled": True}}, "global": {"requestPlane": "nats"}},
}
IMAGES = {"etcd": "quay.io/coreos/etcd:v3.6.", "nats": "docker.io/library/nats:2."}
FIXED = "dynamo-disagg/fixed"

Install = Callable[..., Manifests]


@pytest.fixture(params=["etcd", "nats"])
def component(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def install(render: Render, component: str) -> Install:
    """Render one subchart with some of its values and some of the release's."""

    def rendered(values: Any = None, release: Any = None) -> Manifests:
        return render(merged(merged(INSTALLED[component], {component: values or {}}), release or {}))

    return rendered


def test_it_is_off_by_default(render: Render, component: str) -> None:
    assert render().all(component=component) == []


def test_it_keeps_running_when_the_rest_is_simulated(install: Install, component: str) -> None:
    simulated = {"global": {"simulation": {"enabled": True}}}
    assert install(None, simulated).pod(component).spec == install().pod(component).spec


@pytest.mark.parametrize("replicas", [1, 3])
def test_one_or_three_pods_start_together(install: Install, component: str, replicas: int) -> None:
    spec = install({"replicas": replicas}).one("StatefulSet", component=component)["spec"]
    assert spec["replicas"] == replicas
    # Ordered start would wait for the readiness of the first, which waits for the second.
    assert spec["podManagementPolicy"] == "Parallel"


@pytest.mark.parametrize("replicas", [0, 2, 4, 5])
def test_no_other_number_makes_a_safe_quorum(install: Install, replicas: int) -> None:
    with pytest.raises(HelmError, match="must be one of 1, 3"):
        install({"replicas": replicas})


def test_clients_get_ready_pods_and_peers_get_all(install: Install, component: str) -> None:
    manifests = install({"replicas": 3})
    workload = manifests.one("StatefulSet", component=component)
    clients = manifests.one("Service", name=f"demo-{component}")["spec"]
    peers = manifests.one("Service", name=workload["spec"]["serviceName"])["spec"]
    assert "clusterIP" not in clients
    assert "publishNotReadyAddresses" not in clients
    assert peers["clusterIP"] == "None"
    assert peers["publishNotReadyAddresses"] is True
    ports = {p["name"] for p in manifests.pod(component).container().spec["ports"]}
    for service in (clients, peers):
        assert service["selector"] == workload["spec"]["selector"]["matchLabels"]
        assert {p["targetPort"] for p in service["ports"]} <= ports


def test_image(install: Install, component: str) -> None:
    assert install().pod(component).container().spec["image"].startswith(IMAGES[component])
    image = {"registry": "r.example.com", "repository": "a/b", "tag": "1", "pullPolicy": "Always"}
    spec = install({"image": image}).pod(component).container().spec
    assert (spec["image"], spec["imagePullPolicy"]) == ("r.example.com/a/b:1", "Always")
    digest = f"sha256:{'0' * 64}"
    spec = (
        install({"image": {"digest": digest}}, nested("global.imageRegistry", "mirror:5000"))
        .pod(component)
        .container()
        .spec
    )
    assert spec["image"].startswith("mirror:5000/")
    assert spec["image"].endswith(f"@{digest}")


def test_pull_secrets(install: Install, component: str) -> None:
    spec = install(None, nested("global.imagePullSecrets", ["a", "b"])).pod(component).spec
    assert spec["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
    assert "imagePullSecrets" not in install().pod(component).spec


def test_it_has_no_rights(install: Install, component: str) -> None:
    spec = install().pod(component).spec
    assert spec["automountServiceAccountToken"] is False
    # Not the workers' account, which a Role is bound to.
    assert "serviceAccountName" not in spec
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 1000
    assert spec["securityContext"]["fsGroup"] == 1000
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def test_security_contexts_can_be_changed(install: Install, component: str) -> None:
    values = {
        "podSecurityContext": {"runAsUser": 2000},
        "securityContext": {"readOnlyRootFilesystem": False, "allowPrivilegeEscalation": True},
    }
    spec = install(values).pod(component).spec
    assert spec["securityContext"]["runAsUser"] == 2000
    assert spec["securityContext"]["runAsGroup"] == 1000
    assert spec["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is False
    assert spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"] is True


def test_services_of_the_namespace_do_not_become_environment(install: Install, component: str) -> None:
    assert install().pod(component).spec["enableServiceLinks"] is False


def test_three_pods_prefer_different_nodes_and_zones(install: Install, component: str) -> None:
    manifests = install({"replicas": 3})
    terms = manifests.pod(component).spec["affinity"]["podAntiAffinity"]
    (kind,) = terms
    assert kind == "preferredDuringSchedulingIgnoredDuringExecution"
    weights = {t["podAffinityTerm"]["topologyKey"]: t["weight"] for t in terms[kind]}
    assert weights["kubernetes.io/hostname"] > weights["topology.kubernetes.io/zone"]
    selector = manifests.one("StatefulSet", component=component)["spec"]["selector"]
    assert [t["podAffinityTerm"]["labelSelector"] for t in terms[kind]] == [selector, selector]
    assert "affinity" not in install().pod(component).spec


def test_placement_as_typed(install: Install, component: str) -> None:
    values = {
        "replicas": 3,
        "nodeSelector": {"pool": "system"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
        ],
        "priorityClassName": "high",
    }
    spec = install(values).pod(component).spec
    for name in ("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "priorityClassName"):
        assert spec[name] == values[name]


def test_pod_metadata(install: Install, component: str) -> None:
    pod = install({"podLabels": {"team": "a"}, "podAnnotations": {"note": "b"}}).pod(component)
    assert pod.labels["team"] == "a"
    assert pod.metadata["annotations"]["note"] == "b"


def test_resources_probes_and_grace_as_typed(install: Install, component: str) -> None:
    timing = {"periodSeconds": 7, "timeoutSeconds": 6, "failureThreshold": 9}
    values = {
        "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "3Gi"}},
        "probes": {"startup": timing, "liveness": timing, "readiness": timing},
        "terminationGracePeriodSeconds": 77,
    }
    spec = install(values).pod(component).spec
    container = spec["containers"][0]
    assert container["resources"] == values["resources"]
    for probe in ("startup", "liveness", "readiness"):
        assert timing.items() <= container[f"{probe}Probe"].items()
    assert spec["terminationGracePeriodSeconds"] == 77


def test_environment(install: Install, component: str) -> None:
    source = {"secretKeyRef": {"name": "keys", "key": "a"}}
    env = install({"env": {"GOMEMLIMIT": "900MiB", "KEY": source}}).pod(component).container().env()
    assert env["GOMEMLIMIT"] == "900MiB"
    assert env["KEY"] == source
    assert env["POD_NAME"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_the_pods_name_is_not_for_typing(install: Install, component: str) -> None:
    with pytest.raises(HelmError, match=f"{component}.env.POD_NAME: the chart sets this variable: remove it"):
        install({"env": {"POD_NAME": "a"}})


def test_an_eviction_takes_one_of_three(install: Install, component: str) -> None:
    budget = install({"replicas": 3}).one("PodDisruptionBudget", component=component)
    assert budget["spec"]["maxUnavailable"] == 1
    # One pod with a budget could never be drained.
    assert install().all("PodDisruptionBudget", component=component) == []
    off = install({"replicas": 3, "podDisruptionBudget": {"enabled": False}})
    assert off.all("PodDisruptionBudget", component=component) == []


def test_volumes_come_and_go_with_the_release(install: Install, component: str) -> None:
    values = {"size": "3Gi", "storageClass": "fast", "accessModes": ["ReadWriteOncePod"]}
    manifests = install({"persistence": values})
    spec = manifests.one("StatefulSet", component=component)["spec"]
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOncePod"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "3Gi"}},
    }
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Delete", "whenScaled": "Retain"}
    assert claim["metadata"]["name"] in [m["name"] for m in manifests.pod(component).container().spec["volumeMounts"]]


def test_the_clusters_default_storage_class(install: Install, component: str) -> None:
    (claim,) = install().one("StatefulSet", component=component)["spec"]["volumeClaimTemplates"]
    assert "storageClassName" not in claim["spec"]


def test_without_persistence_data_is_on_an_empty_dir(install: Install, component: str) -> None:
    manifests = install({"persistence": {"enabled": False, "size": "1Gi"}})
    assert "volumeClaimTemplates" not in manifests.one("StatefulSet", component=component)["spec"]
    assert manifests.pod(component).volumes()["data"]["emptyDir"] == {"sizeLimit": "1Gi"}


def test_a_member_count_cannot_change_behind_helms_back(install: Install, component: str) -> None:
    """The API server refuses a changed claim template, whoever rendered it."""

    def fixed(replicas: int) -> str:
        workload = install({"replicas": replicas}).one("StatefulSet", component=component)
        (claim,) = workload["spec"]["volumeClaimTemplates"]
        text: str = claim["metadata"]["annotations"][FIXED]
        assert workload["metadata"]["annotations"][FIXED] == text
        return text

    assert fixed(1) != fixed(3)


@pytest.mark.parametrize(
    "change",
    [{"replicas": 3}, {"persistence": {"size": "1Gi"}}, {"persistence": {"enabled": False}}],
    ids=["replicas", "size", "volumes"],
)
def test_an_upgrade_that_would_break_the_members_is_refused(
    install: Install, render_fast: Renderer, component: str, change: dict[str, Any]
) -> None:
    runs = install().one("StatefulSet", component=component)
    fixed = runs["metadata"]["annotations"][FIXED]

    def refusal(changed: dict[str, Any]) -> str:
        values = merged(INSTALLED[component], nested("global.clusterChecks", False))
        return render_fast(merged(values, {component: changed}), cluster=Cluster((runs,))).error

    message = refusal(change)
    assert f"StatefulSet demo-{component} runs {fixed}, the values say " in message
    assert "kubectl -n default delete statefulset,pvc -l app.kubernetes.io/instance=demo," in message
    assert refusal({}) == ""

"""How the parts of a release find each other, and that nothing is configured for a service that is not there."""

from typing import Any

import pytest

from hack.chart.render import Render

DISCOVERY_LABELS = {
    "nvidia.com/dynamo-discovery-backend": "kubernetes",
    "nvidia.com/dynamo-discovery-enabled": "true",
}
EXTERNAL_ETCD = {"global": {"discovery": {"backend": "etcd", "etcdEndpoints": ["http://a:2379", "http://b:2379"]}}}
OWN_ETCD = {"etcd": {"enabled": True}, "global": {"discovery": {"backend": "etcd"}}}
COMPONENTS = ["frontend", "prefill", "decode"]


def env(render: Render, component: str, values: Any = None) -> dict[str, Any]:
    return render(values).pod(component).container().env()


@pytest.mark.parametrize("component", COMPONENTS)
def test_kubernetes_discovery_is_the_default(render: Render, component: str) -> None:
    pod = render().pod(component)
    variables = pod.container().env()
    assert variables["DYN_DISCOVERY_BACKEND"] == "kubernetes"
    assert variables["POD_NAME"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert variables["POD_NAMESPACE"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}
    assert variables["POD_UID"] == {"fieldRef": {"fieldPath": "metadata.uid"}}
    assert pod.spec["serviceAccountName"] == "demo-dynamo"
    assert pod.spec["automountServiceAccountToken"] is True


def test_a_role_lets_the_service_account_see_workers_and_write_their_metadata(render: Render) -> None:
    manifests = render()
    rules = {
        (group, resource): set(rule["verbs"])
        for rule in manifests.one("Role")["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    watch = {"get", "list", "watch"}
    assert rules == {
        ("", "endpoints"): watch,
        ("", "pods"): watch,
        ("discovery.k8s.io", "endpointslices"): watch,
        ("nvidia.com", "dynamoworkermetadatas"): {*watch, "create", "update", "patch", "delete"},
    }
    binding = manifests.one("RoleBinding")
    assert binding["roleRef"]["name"] == manifests.one("Role")["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "demo-dynamo", "namespace": "default"}]


def test_a_pools_service_is_what_makes_its_pods_visible(render: Render, role: str) -> None:
    manifests = render()
    service = manifests.one("Service", name=f"demo-{role}")
    assert DISCOVERY_LABELS.items() <= service["metadata"]["labels"].items()
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"].items() <= manifests.pod(role).labels.items()


def test_the_frontends_service_is_no_worker(render: Render) -> None:
    labels = render().one("Service", component="frontend")["metadata"]["labels"]
    assert not DISCOVERY_LABELS.keys() & labels.keys()


@pytest.mark.parametrize("component", COMPONENTS)
def test_etcd_discovery_needs_no_api_access(render: Render, component: str) -> None:
    manifests = render(EXTERNAL_ETCD)
    pod = manifests.pod(component)
    assert pod.container().env()["DYN_DISCOVERY_BACKEND"] == "etcd"
    assert pod.container().env()["ETCD_ENDPOINTS"] == "http://a:2379,http://b:2379"
    assert pod.spec["automountServiceAccountToken"] is False
    assert manifests.all("Role") == manifests.all("RoleBinding") == []


def test_etcd_discovery_labels_no_service(render: Render, role: str) -> None:
    labels = render(EXTERNAL_ETCD).one("Service", name=f"demo-{role}")["metadata"]["labels"]
    assert not DISCOVERY_LABELS.keys() & labels.keys()


@pytest.mark.parametrize("component", COMPONENTS)
def test_own_etcd_is_found_by_its_service(render: Render, component: str) -> None:
    manifests = render(OWN_ETCD)
    url = manifests.pod(component).container().env()["ETCD_ENDPOINTS"]
    host, port = url.removeprefix("http://").split(":")
    services = {s["metadata"]["name"]: s for s in manifests.all("Service", component="etcd")}
    assert int(port) in [p["port"] for p in services[host]["spec"]["ports"]]


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("plane", ["requestPlane", "eventPlane"])
def test_either_plane_can_run_over_own_nats(render: Render, component: str, plane: str) -> None:
    manifests = render({"nats": {"enabled": True}, "global": {plane: "nats"}})
    variables = manifests.pod(component).container().env()
    planes = {"requestPlane": "DYN_REQUEST_PLANE", "eventPlane": "DYN_EVENT_PLANE"}
    assert {name: variables[name] for name in planes.values()} == {
        "DYN_REQUEST_PLANE": "nats" if plane == "requestPlane" else "tcp",
        "DYN_EVENT_PLANE": "nats" if plane == "eventPlane" else "zmq",
    }
    host, port = variables["NATS_SERVER"].removeprefix("nats://").split(":")
    services = {s["metadata"]["name"]: s for s in manifests.all("Service", component="nats")}
    assert int(port) in [p["port"] for p in services[host]["spec"]["ports"]]


@pytest.mark.parametrize("component", COMPONENTS)
def test_external_nats(render: Render, component: str) -> None:
    values = {"global": {"requestPlane": "nats", "natsUrl": "tls://nats.infra:4222"}}
    manifests = render(values)
    assert manifests.pod(component).container().env()["NATS_SERVER"] == "tls://nats.infra:4222"
    assert manifests.all(component="nats") == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_no_connection_settings_for_services_that_are_not_used(render: Render, component: str) -> None:
    variables = env(render, component)
    assert [name for name in variables if name.startswith(("ETCD_", "NATS_"))] == []


@pytest.mark.parametrize("component", COMPONENTS)
def test_releases_are_kept_apart(render: Render, component: str) -> None:
    """One Dynamo namespace for all parts of a release, another for every other release of the cluster."""
    scopes = {
        render(release=release, namespace=namespace).pod(component).container().env()["DYN_NAMESPACE"]
        for release in ("a", "b")
        for namespace in ("x", "y")
    }
    assert len(scopes) == 4
    assert env(render, component)["DYN_NAMESPACE"] == env(render, "frontend")["DYN_NAMESPACE"]


def test_an_existing_service_account_is_used_and_bound(render: Render) -> None:
    manifests = render({"global": {"serviceAccount": {"create": False, "name": "mine"}}})
    assert manifests.all("ServiceAccount") == []
    assert manifests.one("RoleBinding")["subjects"][0]["name"] == "mine"
    workers = {manifests.pod(c).spec["serviceAccountName"] for c in COMPONENTS}
    assert workers == {"mine"}


def test_the_service_account_carries_annotations(render: Render) -> None:
    annotations = {"iam.gke.io/gcp-service-account": "a@b.iam.gserviceaccount.com"}
    manifests = render({"global": {"serviceAccount": {"annotations": annotations}}})
    assert manifests.one("ServiceAccount")["metadata"]["annotations"] == annotations

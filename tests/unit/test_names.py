"""Names, labels and selectors: recommended, unique, and stable across upgrades."""

import pytest

from hack.chart.manifests import COMPONENT, Manifests, merged, nested, object_id
from hack.chart.render import Render

SELECTOR = {"app.kubernetes.io/name", "app.kubernetes.io/instance", COMPONENT}
EVERYTHING = {
    "etcd": {"enabled": True, "replicas": 3},
    "nats": {"enabled": True, "replicas": 3},
    "prefill": {"replicas": 2},
    "decode": {"replicas": 2},
    "frontend": {
        "replicas": 2,
        "ingress": {"enabled": True, "hosts": ["a.example.com"]},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "a"}]},
    },
    "global": {"discovery": {"backend": "etcd"}, "requestPlane": "nats"},
}


def selectors(manifests: Manifests) -> dict[str, dict[str, str]]:
    found = {}
    for item in manifests:
        if selector := item.get("spec", {}).get("selector"):
            found[object_id(item)] = selector.get("matchLabels", selector)
    return found


def test_objects_are_named_after_the_release(render: Render) -> None:
    for item in render(EVERYTHING, release="mine"):
        assert item["metadata"]["name"].startswith("mine-"), object_id(item)


def test_a_name_override_keeps_two_copies_of_one_release_apart(render: Render) -> None:
    one = render(merged(EVERYTHING, nested("global.nameOverride", "one")))
    two = render(merged(EVERYTHING, nested("global.nameOverride", "two")))
    assert not set(one.ids()) & set(two.ids())
    for name, selector in selectors(one).items():
        assert selector["app.kubernetes.io/instance"] == "demo-one", name


def test_a_name_of_ones_own_is_the_whole_prefix(render: Render) -> None:
    manifests = render(merged(EVERYTHING, nested("global.fullnameOverride", "llm")))
    for item in manifests:
        assert item["metadata"]["name"].startswith("llm-"), object_id(item)
    for name, selector in selectors(manifests).items():
        assert selector["app.kubernetes.io/instance"] == "llm", name


def test_labels_and_annotations_of_the_release_are_on_everything(render: Render) -> None:
    own = {"labels": {"team": "search"}, "annotations": {"example.com/owner": "search"}}
    manifests = render(merged(EVERYTHING, {"global": own, "canary": {"enabled": True}, "preflight": {"enabled": True}}))
    for item in manifests:
        assert item["metadata"]["labels"]["team"] == "search", object_id(item)
        assert item["metadata"]["annotations"]["example.com/owner"] == "search", object_id(item)
    for pod in manifests.pods():
        assert pod.labels["team"] == "search", pod.id
        assert pod.metadata["annotations"]["example.com/owner"] == "search", pod.id


def test_a_queue_reads_the_workload_and_not_its_pods(render: Render, role: str) -> None:
    own = {"labels": {"kueue.x-k8s.io/queue-name": "llm", "team": "a"}, "annotations": {"note": "b"}}
    for values, kind in ((own, "Deployment"), (own | {"parallelism": {"tensor": 16}}, "LeaderWorkerSet")):
        workload = render({"global": {"labels": {"team": "b"}}, role: values}).one(kind, component=role)
        assert own["labels"].items() <= workload["metadata"]["labels"].items()
        assert workload["metadata"]["annotations"]["note"] == "b"
    for pod in render({role: own}).pods(role):
        assert "kueue.x-k8s.io/queue-name" not in pod.labels


def test_objects_are_in_the_releases_namespace(render: Render) -> None:
    for item in render(EVERYTHING, namespace="team-a"):
        assert item["metadata"]["namespace"] == "team-a", object_id(item)


def test_every_object_carries_the_recommended_labels(render: Render) -> None:
    recommended = {
        *SELECTOR,
        "app.kubernetes.io/version",
        "app.kubernetes.io/managed-by",
        "app.kubernetes.io/part-of",
        "helm.sh/chart",
    }
    for item in render(EVERYTHING):
        assert recommended <= item["metadata"]["labels"].keys(), object_id(item)
        assert item["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


@pytest.mark.parametrize(
    "change",
    [
        {"global": {"engine": {"image": {"tag": "2.0.0"}, "version": "unchecked"}}},
        {"global": {"model": {"name": "other"}, "hardware": "gke-a3ultra", "kvCache": {"blockSize": 16}}},
        {"global": {"router": {"mode": "round-robin"}}, "frontend": {"replicas": 9}},
        {r: {"podLabels": {"a": "b"}, "parallelism": {"tensor": 8}} for r in ("prefill", "decode")},
    ],
    ids=["version", "model", "router", "pools"],
)
def test_no_upgrade_changes_a_selector(render: Render, change: dict[str, object]) -> None:
    assert selectors(render(merged(EVERYTHING, change))) == selectors(render(EVERYTHING))


def test_an_annotation_of_all_that_is_taken_back_is_on_none(render: Render) -> None:
    values = {
        "global": {"annotations": {"a": None, "b": "c"}},
        "canary": {"enabled": True},
        "preflight": {"enabled": True},
    }
    for pod in render(values).pods():
        annotations = pod.metadata.get("annotations", {})
        assert ("a" not in annotations, annotations.get("b")) == (True, "c"), pod.id


def test_pod_labels_and_annotations_of_ones_own(render: Render, role: str) -> None:
    values = {role: {"podLabels": {"team": "a"}, "podAnnotations": {"note": "b"}}}
    pod = render(values).pod(role)
    assert pod.labels["team"] == "a"
    assert pod.metadata["annotations"]["note"] == "b"


def test_a_rollout_does_not_follow_from_the_charts_version(render: Render) -> None:
    """A label with the chart's version on pods would restart every worker on every chart upgrade."""
    for pod in render(EVERYTHING).pods():
        if pod.owner["kind"] != "Pod":
            assert "helm.sh/chart" not in pod.labels, pod.id


@pytest.mark.parametrize("length", [1, 34])
def test_names_fit(render: Render, length: int) -> None:
    """Services have 63 characters; a StatefulSet's name ends up in a label with 11 more."""
    for item in render(EVERYTHING, release="r" * length):
        limit = 52 if item["kind"] == "StatefulSet" else 63
        assert len(item["metadata"]["name"]) <= limit, object_id(item)

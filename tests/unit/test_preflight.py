"""The hook Job: what it is asked to check is what the release renders, and its rights are no more than it needs."""

import json
from collections import Counter
from typing import Any

import pytest

from hack.base.paths import ROOT
from hack.chart.manifests import COMPONENT, Manifests, is_hook, merged
from hack.chart.objects import rendered
from hack.chart.render import Render
from hack.chart.scenarios import EVERYTHING, FEATURES, METRICS, NAMED, SIMULATED, Scenario
from hack.verbs.preflight import DOCUMENT, installed_by_helm

ENABLED = {"preflight": {"enabled": True}}


def needs(manifests: Manifests) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(manifests.one("ConfigMap", component="preflight")["data"]["needs.json"])
    return found


def own(manifests: Manifests) -> list[dict[str, Any]]:
    return manifests.all(component="preflight")


def test_off_by_default(render: Render) -> None:
    assert own(render()) == []


def test_everything_is_a_hook_that_success_removes(render: Render) -> None:
    objects = own(render(EVERYTHING | ENABLED))
    weights = {}
    for item in objects:
        annotations = item["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "pre-install,pre-upgrade"
        assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"
        weights[item["kind"]] = int(annotations["helm.sh/hook-weight"])
    job = weights.pop("Job")
    assert weights.keys() == {
        *("ServiceAccount", "ConfigMap", "NetworkPolicy", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
    }
    assert max(weights.values()) < job, "what the Job needs is there before it"


def test_it_runs_the_program_of_the_repository(render: Render) -> None:
    data = render(ENABLED).one("ConfigMap", component="preflight")["data"]
    files = {file.name: file.read_text().strip() for file in (ROOT / "files" / "preflight").glob("*.py")}
    assert "__main__.py" in files
    assert {name: text for name, text in data.items() if name != "needs.json"} == files


def test_what_is_rendered_otherwise_stays_the_same(render: Render) -> None:
    with_it = [o for o in render(EVERYTHING | ENABLED) if o not in own(render(EVERYTHING | ENABLED))]
    assert with_it == list(render(EVERYTHING))


STATEFULSETS = [
    Scenario(f"{s.name}+statefulset", s.files, {"global": {"multiNode": {"controller": "statefulset"}}})
    for s in [*NAMED, *SIMULATED]
    if s.name.startswith("a4x-10p8d")
]


@pytest.mark.parametrize("scenario", [*NAMED, *FEATURES, *STATEFULSETS], ids=lambda s: s.name)
def test_it_asks_for_the_pods_that_are_rendered(scenario: Scenario, render: Render) -> None:
    manifests = render(merged(scenario.values, ENABLED), scenario.files)
    asked: Counter[str] = Counter()
    for pool in needs(manifests)["pools"]:
        for pod in pool["pods"]:
            asked[_placement(pool["component"], pod["spec"])] += pool["groups"] * pod["count"]
    made: Counter[str] = Counter()
    for template in manifests.pods():
        # The download and the canary hold no GPU, and after their run nothing.
        if not is_hook(template.owner) and template.owner["kind"] not in ("Job", "CronJob"):
            made[_placement(template.labels[COMPONENT], template.spec)] += template.count
    assert asked == made


def _placement(component: str, spec: dict[str, Any]) -> str:
    """What decides where a pod of a component may run, as text."""
    keys = ("nodeSelector", "tolerations", "affinity", "topologySpreadConstraints", "resourceClaims")
    resources = [c["resources"] for c in spec["containers"]]
    return json.dumps([component, resources, {k: spec[k] for k in keys if k in spec}], sort_keys=True)


def test_claims_say_their_class_and_number(render: Render) -> None:
    asked = needs(render(ENABLED, ["values/a4xmax-10p8d.yaml"]))
    assert asked["claimTemplates"] == {
        "demo-compute-domain": {"compute-domain-default-channel.nvidia.com": 1},
        "demo-rdma": {"mrdma.google.com": 8},
    }
    names = {c["resourceClaimTemplateName"] for p in asked["pools"][:1] for c in p["pods"][0]["spec"]["resourceClaims"]}
    assert names == set(asked["claimTemplates"])


def test_apis_are_those_of_the_objects(render: Render) -> None:
    assert needs(render(ENABLED, ["values/a4xmax-10p8d.yaml"]))["apis"] == [
        "leaderworkerset.x-k8s.io/v1 LeaderWorkerSet",
        "nvidia.com/v1alpha1 DynamoWorkerMetadata",
        "resource.k8s.io/v1 ResourceClaimTemplate",
        "resource.nvidia.com/v1beta1 ComputeDomain",
    ]
    assert needs(render(EVERYTHING | ENABLED))["apis"] == ["gateway.networking.k8s.io/v1 HTTPRoute"]
    watched = needs(render(merged(EVERYTHING | ENABLED, {"metrics": METRICS})))["apis"]
    assert [api for api in watched if "monitoring" in api] == [
        "monitoring.coreos.com/v1 PodMonitor",
        "monitoring.coreos.com/v1 PrometheusRule",
    ]


def test_an_installation_brings_crds_and_an_upgrade_does_not() -> None:
    def brought(*options: str) -> list[str]:
        (found,) = rendered([], ["preflight.enabled=true"], "--show-only", DOCUMENT, *options)
        names: list[str] = json.loads(found["data"]["needs.json"])["brings"]
        return names

    assert brought() == [*installed_by_helm()] == ["nvidia.com/v1alpha1 DynamoWorkerMetadata"]
    assert brought("--is-upgrade") == []


def test_without_its_discovery_none_is_brought(render: Render) -> None:
    assert needs(render(EVERYTHING | ENABLED))["brings"] == []


def test_secrets_and_claims_are_those_of_the_model_and_of_the_pods(render: Render) -> None:
    values = {
        "global": {"imagePullSecrets": ["pull"]},
        "decode": {
            "env": {"API_KEY": {"secretKeyRef": {"name": "keys", "key": "api"}}},
            "volumes": {
                "a": {"mountPath": "/a", "source": {"secret": {"secretName": "files"}}},
                "b": {"mountPath": "/b", "source": {"persistentVolumeClaim": {"claimName": "data"}}},
                "c": {"mountPath": "/c", "source": {"secret": {"secretName": "maybe", "optional": True}}},
            },
        },
    }
    found = {o["name"]: o for o in needs(render(merged(values, ENABLED), ["values/a3u-multi.yaml"]))["objects"]}
    token = "global.model.source.huggingface.tokenSecret"
    assert found == {
        "hf-token-secret": {"kind": "Secret", "name": "hf-token-secret", "key": "HF_TOKEN", "value": token},
        "pull": {"kind": "Secret", "name": "pull", "pull": True, "value": "global.imagePullSecrets"},
        "keys": {"kind": "Secret", "name": "keys", "keys": ["api"], "value": "decode.env.API_KEY"},
        "files": {"kind": "Secret", "name": "files", "value": "decode.volumes.a.source.secret"},
        "data": {
            "kind": "PersistentVolumeClaim",
            "name": "data",
            "value": "decode.volumes.b.source.persistentVolumeClaim",
        },
    }


def test_a_secret_that_several_name_must_have_all_their_keys(render: Render) -> None:
    token = {"secretKeyRef": {"name": "hf-token-secret", "key": "other"}}
    env = {"A": token, "B": {"secretKeyRef": {"name": "keys", "key": "b"}}}
    values = {"global": {"env": env}, "decode": {"env": {"C": {"secretKeyRef": {"name": "keys", "key": "c"}}}}}
    found = {o["name"]: o for o in needs(render(merged(values, ENABLED), ["values/a3u-multi.yaml"]))["objects"]}
    assert sorted(found["hf-token-secret"]["keys"]) == ["HF_TOKEN", "other"]
    assert sorted(found["keys"]["keys"]) == ["b", "c"]


def test_storage_classes_are_those_of_the_subcharts(render: Render) -> None:
    values = merged(merged(EVERYTHING, ENABLED), {"nats": {"persistence": {"storageClass": "fast"}}})
    assert needs(render(values))["storageClasses"] == [
        {"name": "", "value": "etcd.persistence.storageClass"},
        {"name": "fast", "value": "nats.persistence.storageClass"},
    ]


def test_the_rights_are_to_read_and_secrets_by_name(render: Render) -> None:
    manifests = render(EVERYTHING | ENABLED)
    (cluster_role,), (role,) = manifests.all("ClusterRole"), manifests.all("Role", component="preflight")
    assert {v for rule in cluster_role["rules"] for v in rule["verbs"]} == {"list"}
    assert "secrets" not in {r for rule in cluster_role["rules"] for r in rule["resources"]}
    assert [(rule["resources"], rule["resourceNames"], rule["verbs"]) for rule in role["rules"]] == [
        (["secrets"], ["pull"], ["get"]),
        (["persistentvolumeclaims"], ["weights"], ["get"]),
    ]


def test_cluster_wide_names_do_not_collide(render: Render) -> None:
    names = {
        render(ENABLED, release=release, namespace=namespace).one("ClusterRole")["metadata"]["name"]
        for release in ("a", "b")
        for namespace in ("x", "y")
    }
    assert len(names) == 4
    assert "namespace" not in render(ENABLED).one("ClusterRole")["metadata"]


def test_no_role_without_secrets_and_claims(render: Render) -> None:
    assert render(ENABLED).all("Role", component="preflight") == []


def test_a_service_account_of_yours_brings_its_own_rights(render: Render) -> None:
    manifests = render({"preflight": {"enabled": True, "serviceAccountName": "reader"}})
    assert sorted(item["kind"] for item in own(manifests)) == ["ConfigMap", "Job"]
    (pod,) = manifests.pods("preflight")
    assert pod.spec["serviceAccountName"] == "reader"


def test_it_runs_where_the_frontends_run(render: Render) -> None:
    placement = {"nodeSelector": {"pool": "cpu"}, "tolerations": [{"key": "cpu", "operator": "Exists"}]}
    (pod,) = render({"frontend": placement, **ENABLED}, ["values/a4x-10p8d.yaml"]).pods("preflight")
    assert pod.spec["nodeSelector"]["pool"] == "cpu"
    assert {"key": "cpu", "operator": "Exists"} in pod.spec["tolerations"]
    assert not [name for name in pod.container().spec["resources"]["requests"] if "/" in name]


def test_its_image_is_the_releases_unless_it_has_its_own(render: Render) -> None:
    manifests = render(ENABLED)
    images = [manifests.pods(c)[0].container().spec["image"] for c in ("preflight", "decode")]
    assert images[0] == images[1]
    image = {"repository": "library/python", "registry": "docker.io", "tag": "3.12-slim"}
    (pod,) = render({"preflight": {"enabled": True, "image": image}}).pods("preflight")
    assert pod.container().spec["image"] == "docker.io/library/python:3.12-slim"


def test_a_claim_that_the_release_makes_is_not_missed(render: Render) -> None:
    """Its storage class is what must exist."""
    create = {"enabled": True, "size": "9Gi", "storageClass": "shared"}
    source = {"type": "pvc", "pvc": {"create": create}}
    asked = needs(render(merged({"global": {"model": {"source": source}}}, ENABLED)))
    assert [o for o in asked["objects"] if o["kind"] == "PersistentVolumeClaim"] == []
    assert {"name": "shared", "value": "global.model.source.pvc.create.storageClass"} in asked["storageClasses"]

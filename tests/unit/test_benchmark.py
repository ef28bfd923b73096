"""The benchmark's Job: never part of an installation, and told what the values say."""

import json
from typing import Any

import pytest

from benchmark.plan import Plan, Workload, of
from hack.base.paths import ROOT
from hack.chart.manifests import COMPONENT, Manifests, PodTemplate, merged
from hack.chart.render import Render
from hack.chart.scenarios import BENCHMARK, EVERYTHING


def values(**benchmark: Any) -> dict[str, Any]:
    return {"benchmark": merged(BENCHMARK, benchmark)}


def plan(manifests: Manifests) -> Plan:
    return of(json.loads(manifests.one("ConfigMap", component="benchmark")["data"]["plan.json"]))


def pod(manifests: Manifests) -> PodTemplate:
    (found,) = manifests.pods("benchmark")
    return found


def test_off_by_default(render: Render) -> None:
    assert render().all(component="benchmark") == []


def test_no_installation_runs_it(render: Render) -> None:
    """All of it are tests, which stay to be read, and the rest of the release does not change."""
    objects = render(values()).all(component="benchmark")
    assert sorted(item["kind"] for item in objects) == ["ConfigMap", "Job", "Service"]
    for item in objects:
        annotations = item["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "test"
        assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation"
    everything = merged(EVERYTHING, {"networkPolicy": {"enabled": False}})
    rest = [o for o in render(merged(everything, values())) if o not in objects]
    others = [o for o in rest if o["metadata"]["labels"]["app.kubernetes.io/component"] != "benchmark"]
    assert others == list(render(everything))


def test_it_runs_the_program_of_the_repository(render: Render) -> None:
    manifests = render(values())
    data = manifests.one("ConfigMap", component="benchmark")["data"]
    files = {file.name: file.read_text().strip() for file in (ROOT / "files" / "benchmark").glob("*.py")}
    assert "__main__.py" in files
    assert {name: text for name, text in data.items() if name != "plan.json"} == files
    assert pod(manifests).container().spec["command"][:3] == ["python3", "-m", "benchmark"]


def test_what_is_measured(render: Render) -> None:
    load = {
        "name": "a4x-1p1d",
        "promptTokens": [1000, 4000],
        "answerTokens": 50,
        "concurrencies": [2, 4],
        "requests": 40,
        "sharedPrefixTokens": 200,
    }
    given = values(workload=load, limits={"timeToFirstTokenSeconds": 0.5, "interTokenLatencySeconds": 0.015})
    assert plan(render(given, ["values/a3u-guide-4p4d.yaml"])) == Plan(
        model="meta-llama/Meta-Llama-3.1-70B-Instruct",
        url="http://demo-frontend.default.svc:8000",
        frontends="demo-benchmark.default.svc:8000",
        tokenizer="meta-llama/Meta-Llama-3.1-70B-Instruct",
        workload=Workload("a4x-1p1d", [1000, 4000], 50, [2, 4], 40, 200),
        ttft_ms=500,
        itl_ms=15,
        pools={role: {"replicas": 1, "gpus": 4} for role in ("prefill", "decode")},
        engine="vllm",
        simulated=False,
        wait_seconds=300,
    )


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sizing", Workload("sizing", [8192], 200, [8, 16, 32], 128, 0)),
        ("a3u-guide", Workload("a3u-guide", [8192], 200, [2000], 2000, 0)),
        ("a3u-guide-even", Workload("a3u-guide-even", [1000], 1000, [1100], 1100, 0)),
        ("a4x-1p1d", Workload("a4x-1p1d", [8192], 1024, [512], 2560, 0)),
        ("a4x-10p8d", Workload("a4x-10p8d", [8192], 1024, [2048], 10240, 0)),
    ],
)
def test_workloads_of_the_sources(name: str, expected: Workload, render: Render) -> None:
    assert plan(render(values(workload={"name": name}))).workload == expected


@pytest.mark.parametrize(("timeout", "wait"), [(60, 30), (599, 299), (7200, 300)])
def test_the_wait_for_the_model_ends_before_the_job(timeout: int, wait: int, render: Render) -> None:
    """Else Kubernetes ends it without a word of why."""
    assert plan(render(values(timeoutSeconds=timeout))).wait_seconds == wait


def test_the_aggregated_arm_has_one_pool(render: Render) -> None:
    made = plan(render(merged(values(), {"global": {"serving": "aggregated"}, "decode": {"replicas": 2}})))
    assert made.pools == {"decode": {"replicas": 2, "gpus": 1}}


def test_every_frontend_has_an_address(render: Render) -> None:
    manifests = render(merged(values(), {"frontend": {"replicas": 2}}))
    service = manifests.one("Service", component="benchmark")["spec"]
    assert service["clusterIP"] == "None"
    assert service["selector"].items() <= manifests.pod("frontend").labels.items()


def test_the_tokenizer_is_where_the_weights_are(render: Render) -> None:
    source = {"type": "pvc", "pvc": {"claimName": "weights", "path": "llama"}}
    manifests = render(merged(values(), {"global": {"model": {"source": source}}}))
    assert plan(manifests).tokenizer == "/models/llama"
    assert pod(manifests).volumes()["model"]["persistentVolumeClaim"]["claimName"] == "weights"
    assert plan(render(values(tokenizer="/opt/tokenizer"))).tokenizer == "/opt/tokenizer"


def test_the_hubs_cache_of_the_workers_is_not_waited_for(render: Render) -> None:
    """A ReadWriteOnce claim is where they are; the benchmark, as the frontends, fetches the tokenizer alone."""
    cache = {"create": {"enabled": True, "size": "100Gi"}}
    manifests = render(merged(values(), {"global": {"model": {"source": {"huggingface": {"cache": cache}}}}}))
    assert pod(manifests).volumes()["model-cache"] == manifests.pod("frontend").volumes()["model-cache"]
    assert "persistentVolumeClaim" in manifests.pod("decode").volumes()["model-cache"]


def mounted(manifests: Manifests) -> set[str]:
    return {mount["mountPath"] for mount in pod(manifests).container().spec["volumeMounts"]}


CORP = {"mountPath": "/etc/corp-ca", "readOnly": True, "source": {"configMap": {"name": "corp-ca"}}}
SCRATCH = {"mountPath": "/scratch", "source": {"emptyDir": {}}}


def test_the_hub_is_trusted_as_by_the_frontends(render: Render) -> None:
    """Its client ends where SSL_CERT_FILE names no file."""
    trusting = {c: {"volumes": {"results": CORP, "a": SCRATCH}} for c in ("frontend", "prefill", "decode")}
    given = merged(values(), {"global": {"env": {"SSL_CERT_FILE": "/etc/corp-ca/ca.crt"}}, **trusting})
    found = pod(render(given))
    (mount,) = (m for m in found.container().spec["volumeMounts"] if m["mountPath"] == "/etc/corp-ca")
    assert mount["readOnly"]
    # The name may be one of the Job's own.
    assert found.volumes()[mount["name"]]["configMap"] == {"name": "corp-ca"}
    assert "emptyDir" in found.volumes()["results"]
    assert "/scratch" not in mounted(render(given))


def test_a_tokenizer_in_a_folder_needs_no_hub(render: Render) -> None:
    source = {"type": "pvc", "pvc": {"claimName": "weights"}}
    frontend = {"frontend": {"volumes": {"corp-ca": CORP}}}
    env = {"SSL_CERT_FILE": "/etc/corp-ca/ca.crt"}
    given = merged(values(), {"global": {"env": env, "model": {"source": source}}, **frontend})
    assert "/etc/corp-ca" not in mounted(render(given))
    assert "/etc/corp-ca" in mounted(render(merged(given, values(tokenizer="org/other"))))


def test_a_bucket_is_read_as_by_the_workers(render: Render) -> None:
    """Its driver asks for a token of the pod's account; the pod has none."""
    source = {"type": "gcsfuse", "gcsfuse": {"bucket": "weights"}}
    manifests = render(merged(values(), {"global": {"model": {"source": source}}}))
    mounted = [p for p in manifests.pods() if "model" in p.volumes()]
    accounts = {p.labels[COMPONENT]: p.spec["serviceAccountName"] for p in mounted}
    assert accounts.keys() == {"benchmark", "frontend", "prefill", "decode"}
    assert set(accounts.values()) == {"demo-dynamo"}
    assert pod(manifests).spec["automountServiceAccountToken"] is False


def test_results_are_kept_where_a_claim_is_given(render: Render) -> None:
    assert pod(render(values())).volumes()["results"]["emptyDir"] == {}
    kept = pod(render(values(claimName="results"))).volumes()["results"]
    assert kept["persistentVolumeClaim"]["claimName"] == "results"

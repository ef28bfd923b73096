"""Scalers: what they scale and by what, who owns the number of pods, and load that is refused."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.base import process
from hack.chart.helm import HelmError
from hack.chart.manifests import merged, nested
from hack.chart.render import Render

PROMETHEUS = nested("autoscaling.prometheusUrl", "http://prometheus:9090")
IDLE = ' or 0 * max(dynamo_frontend_model_ready{namespace="default",pod=~"demo-frontend-[^-]+-[^-]+"})'
WIDE = {role: {"parallelism": {"tensor": 16}} for role in ("prefill", "decode")}


def scaled(component: str, **scaler: Any) -> dict[str, Any]:
    return merged(PROMETHEUS, {component: {"autoscaling": {"enabled": True} | scaler}})


def trigger(render: Render, role: str, values: Any) -> dict[str, Any]:
    (first, *_) = render(values).one("ScaledObject", component=role)["spec"]["triggers"]
    assert first["type"] == "prometheus"
    found: dict[str, Any] = first["metadata"]
    return found


def test_nothing_scales_by_default(render: Render) -> None:
    manifests = render()
    assert manifests.all("ScaledObject") == manifests.all("HorizontalPodAutoscaler") == []


@pytest.mark.parametrize("component", ["frontend", "prefill", "decode"])
def test_who_scales_owns_the_number(render: Render, component: str) -> None:
    manifests = render(scaled(component, minReplicas=2, maxReplicas=9))
    (scaler,) = manifests.all("HorizontalPodAutoscaler") + manifests.all("ScaledObject")
    target = scaler["spec"]["scaleTargetRef"]
    workload = manifests.one(target["kind"], component=component)
    assert target["name"] == workload["metadata"]["name"]
    assert target["apiVersion"] == workload["apiVersion"]
    assert "replicas" not in workload["spec"]
    least, most = ("minReplicas", "maxReplicas") if component == "frontend" else ("minReplicaCount", "maxReplicaCount")
    assert (scaler["spec"][least], scaler["spec"][most]) == (2, 9)
    for other in {"frontend", "prefill", "decode"} - {component}:
        assert manifests.one("Deployment", component=other)["spec"]["replicas"] == 1


@pytest.mark.parametrize("component", ["frontend", "prefill", "decode"])
def test_a_scaler_restarts_no_pod(render: Render, component: str) -> None:
    before, after = (render(values).pod(component) for values in ({}, scaled(component, minReplicas=3)))
    assert (before.metadata, before.spec) == (after.metadata, after.spec)


def test_a_worker_of_several_nodes_is_scaled_as_a_whole(render: Render, role: str) -> None:
    manifests = render(merged(WIDE, scaled(role)))
    target = manifests.one("ScaledObject")["spec"]["scaleTargetRef"]
    assert target == {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "name": f"demo-{role}-group",
    }
    assert "replicas" not in manifests.one("LeaderWorkerSet", component=role)["spec"]
    with pytest.raises(HelmError, match="a StatefulSet for each rank"):
        render(merged(merged(WIDE, scaled(role)), nested("global.multiNode.controller", "statefulset")))


def test_prefill_scales_by_its_queue(render: Render) -> None:
    metadata = trigger(render, "prefill", scaled("prefill", target=9000))
    assert metadata["serverAddress"] == "http://prometheus:9090"
    assert metadata["query"] == (
        "sum(max by (worker_id, dp_rank) (dynamo_frontend_worker_active_prefill_tokens"
        '{namespace="default",pod=~"demo-frontend-[^-]+-[^-]+",worker_type="prefill"}))' + IDLE
    )
    assert metadata["threshold"] == "9000"
    assert metadata["ignoreNullValues"] == "false", "metrics that are gone are no load of 0"
    assert trigger(render, "prefill", scaled("prefill"))["threshold"] == "16000"


@pytest.mark.parametrize(
    ("pod", "whose"),
    [
        ("demo-frontend-5b44f67f99-2k4hh", True),
        ("demo-decode-59d68ffd79-72kg2", True),
        ("demo-decode-group-0-abcde", True),
        ("demo-frontend-frontend-5b44f67f99-2k4hh", False),
        ("demo-decode-decode-59d68ffd79-72kg2", False),
    ],
)
def test_a_scaler_reads_pods_of_its_release_only(render: Render, pod: str, whose: bool) -> None:
    """Prometheus anchors a pattern at both ends."""
    patterns = re.findall(r'pod=~"([^"]+)"', trigger(render, "decode", scaled("decode"))["query"])
    assert any(re.fullmatch(pattern, pod) for pattern in patterns) is whose


def test_decode_scales_by_its_cache(render: Render) -> None:
    metadata = trigger(render, "decode", scaled("decode"))
    frontends = 'namespace="default",pod=~"demo-frontend-[^-]+-[^-]+"'
    blocks = f'dynamo_frontend_worker_active_decode_blocks{{{frontends},worker_type="decode"}}'
    # Each rank of a worker has a cache of its own, and what a frontend says of its size may be prefill's.
    assert metadata["query"] == (
        f"100 * avg(max by (worker_id, dp_rank) ({blocks})) * count(count by (worker_id) ({blocks}))"
        ' / (max(dynamo_component_total_blocks{namespace="default",pod=~"demo-decode-([^-]+|group-[0-9]+)-[^-]+"} > 0)'
        ' or max(dynamo_frontend_model_total_kv_blocks{namespace="default",pod=~"demo-frontend-[^-]+-[^-]+"}))' + IDLE
    )
    assert metadata["threshold"] == "70"


def reported(name: str, value: float, pod: str = "demo-frontend-1-a", **labels: str) -> dict[str, str]:
    """One series that Prometheus has scraped."""
    matchers = {"namespace": "default", "pod": pod} | labels
    text = ",".join(f'{key}="{word}"' for key, word in matchers.items())
    return {"series": f"dynamo_{name}{{{text}}}", "values": str(value)}


def ranks(name: str, role: str, *loads: tuple[str, str, float], pod: str = "demo-frontend-1-a") -> list[dict[str, str]]:
    """What one frontend reports: worker, rank and load."""
    return [
        reported(f"frontend_worker_{name}", load, pod, worker_id=worker, dp_rank=rank, worker_type=role)
        for worker, rank, load in loads
    ]


TWO_WORKERS = (("a", "0", 300), ("a", "1", 500), ("b", "0", 400), ("b", "1", 400))
DECODE = ranks("active_decode_blocks", "decode", *TWO_WORKERS)
FRONTENDS_SIZE = reported("frontend_model_total_kv_blocks", 500)
LOADS: dict[str, tuple[str, list[dict[str, str]], float | None]] = {
    "nothing is scraped": ("prefill", [], None),
    "nothing was asked yet of prefill": ("prefill", [reported("frontend_model_ready", 1)], 0),
    "nothing was asked yet of decode": ("decode", [reported("frontend_model_ready", 1), FRONTENDS_SIZE], 0),
    "a load, where the model is known": (
        "prefill",
        [reported("frontend_model_ready", 1), *ranks("active_prefill_tokens", "prefill", ("a", "0", 3000))],
        3000,
    ),
    "prompts of all ranks": (
        "prefill",
        ranks("active_prefill_tokens", "prefill", ("a", "0", 3000), ("b", "0", 5000), ("b", "1", 1000)),
        9000,
    ),
    "each frontend has its view": (
        "prefill",
        ranks("active_prefill_tokens", "prefill", ("a", "0", 3000), ("b", "0", 5000))
        + ranks("active_prefill_tokens", "prefill", ("a", "0", 4000), ("b", "0", 2000), pod="demo-frontend-1-b"),
        9000,
    ),
    "of no other role": ("prefill", ranks("active_prefill_tokens", "decode", ("a", "0", 3000)), None),
    "of no other release": ("prefill", ranks("active_prefill_tokens", "prefill", ("a", "0", 9), pod="other-1"), None),
    "of no release whose name begins alike": (
        "prefill",
        ranks("active_prefill_tokens", "prefill", ("a", "0", 9), pod="demo-frontend-frontend-1-a"),
        None,
    ),
    # Of 1,000 blocks a rank: 40 percent of each of two workers.
    "caches of the workers": (
        "decode",
        [*DECODE, FRONTENDS_SIZE, reported("component_total_blocks", 1000, "demo-decode-1-a", dp_rank="0")],
        80,
    ),
    "caches of workers of several nodes": (
        "decode",
        [*DECODE, reported("component_total_blocks", 1000, "demo-decode-group-0", dp_rank="0")],
        80,
    ),
    "caches of wide workers": (
        "decode",
        [*DECODE, reported("component_total_blocks", 1000, "demo-decode-group-0-1", dp_rank="0")],
        80,
    ),
    "not the caches of a release whose name begins alike": (
        "decode",
        [*DECODE, FRONTENDS_SIZE, reported("component_total_blocks", 1000, "demo-decode-decode-1-a", dp_rank="0")],
        160,
    ),
    "not the caches of prefill": (
        "decode",
        [*DECODE, FRONTENDS_SIZE, reported("component_total_blocks", 1000, "demo-prefill-1-a", dp_rank="0")],
        160,
    ),
    "workers that do not know their caches yet": (
        "decode",
        [*DECODE, FRONTENDS_SIZE, reported("component_total_blocks", 0, "demo-decode-1-a", dp_rank="0")],
        160,
    ),
    "no size at all": ("decode", DECODE, None),
}


@pytest.mark.parametrize("case", LOADS)
def test_a_query_is_the_load_of_all_workers(case: str, render: Render, promtool: Path, tmp_path: Path) -> None:
    role, series, load = LOADS[case]
    samples = [] if load is None else [{"labels": "{}", "value": load}]
    query = trigger(render, role, scaled(role))["query"]
    expected = [{"expr": query, "eval_time": "0m", "exp_samples": samples}]
    tests = [{"interval": "1m", "input_series": series, "promql_expr_test": expected}]
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump({"rule_files": [], "tests": tests}))
    answer = process.run([promtool, "test", "rules", tmp_path / "tests.yaml"])
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_a_ratio_is_kept_where_asked(render: Render, role: str) -> None:
    other = {"prefill": "decode", "decode": "prefill"}[role]
    for values, also in (({}, ""), (WIDE, ",dynamo-disagg/rank=leader")):
        (_, ratio) = render(merged(values, scaled(role, otherRolePerWorker=3))).one("ScaledObject")["spec"]["triggers"]
        assert ratio["type"] == "kubernetes-workload"
        assert ratio["metadata"]["value"] == "3"
        assert ratio["metadata"]["podSelector"] == (
            f"app.kubernetes.io/component={other},app.kubernetes.io/instance=demo,app.kubernetes.io/name=dynamo-disagg{also}"
        )


def test_a_ratio_counts_workers_and_not_their_pods(render: Render) -> None:
    """StatefulSets of ranks make a pod for each node too."""
    values = merged(nested("global.multiNode.controller", "statefulset"), {"decode": WIDE["decode"]})
    (_, ratio) = render(merged(values, scaled("prefill", otherRolePerWorker=1))).one("ScaledObject")["spec"]["triggers"]
    assert ratio["metadata"]["podSelector"].endswith(",dynamo-disagg/rank=leader")


def test_a_frontend_scales_by_its_cpu(render: Render) -> None:
    spec = render(scaled("frontend", target=55, scaleDownSeconds=77)).one("HorizontalPodAutoscaler")["spec"]
    assert spec["metrics"][0]["resource"]["target"]["averageUtilization"] == 55
    assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 77


def test_what_a_scaler_makes_has_a_budget(render: Render, role: str) -> None:
    assert render(scaled(role)).all("PodDisruptionBudget", component=role)


def test_load_that_is_too_much_is_refused(render: Render) -> None:
    flags = ("active-decode-blocks-threshold", "active-prefill-tokens-threshold")
    container = (
        render(nested("frontend.rejection", {"kvUsagePercent": 85, "promptTokens": 64000})).pod("frontend").container()
    )
    assert [container.flag(flag) for flag in flags] == ["0.85", "64000"]
    assert [render().pod("frontend").container().flag(flag) for flag in flags] == [None, None]

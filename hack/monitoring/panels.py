"""The dashboards: which panels they have, and of what queries."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hack.monitoring import queries as q
from hack.monitoring.queries import Ask
from verify.engines import TRANSFERS, Transfers

# Why a query of a healthy simulated release finds nothing.
A_FAULT = "nothing has failed"
AN_ENGINE = "the mocker has no KV transfers"
GPUS = "the mocker has no cache on GPUs"
KUBE = "kube-state-metrics is not there"
A_THRESHOLD = "no threshold of the frontend is set"

QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Query:
    """One query of a panel. `missing`: why it finds nothing in a healthy simulated release; empty where it does."""

    ask: Ask
    legend: str
    missing: str = ""


@dataclass(frozen=True)
class Panel:
    """One panel; `unit` is Grafana's."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    about: str = ""


@dataclass(frozen=True)
class Dashboard:
    """One file of files/dashboards."""

    name: str
    title: str
    panels: tuple[Panel, ...]


def quantiles(ask: Callable[[float], Ask]) -> tuple[Query, ...]:
    return tuple(Query(ask(x), f"p{x * 100:g}") for x in QUANTILES)


def one(ask: Ask, legend: str, missing: str = "") -> tuple[Query, ...]:
    return (Query(ask, legend, missing),)


def transfers(ask: Callable[[Transfers], Ask]) -> tuple[Query, ...]:
    # With mooncake SGLang has the same series as with nixl.
    engines = {engine: counters for (engine, _), counters in TRANSFERS.items()}
    return tuple(
        Query(ask(counters), f"{engine} {{{{pod}}}}", AN_ENGINE)
        for engine, counters in engines.items()
        if ask is q.transfer_speed or counters.failures
    )


OVERVIEW = Dashboard(
    "overview",
    "Dynamo: overview",
    (
        Panel(
            "Requests",
            "reqps",
            one(q.requests, "{{status}} {{error_type}}"),
            "Without what was refused because a pool is empty. Users who leave count as error cancelled.",
        ),
        Panel(
            "Refused and failed",
            "reqps",
            (
                Query(q.failures, "{{class}} {{reason}}"),
                Query(q.refused, "503, a pool is empty", A_FAULT),
                Query(q.rejected, "529, a threshold is reached", A_THRESHOLD),
            ),
            "Unavailable is a 503 that no counter of requests has.",
        ),
        Panel("Time to first token", "s", quantiles(q.first_token)),
        Panel("Time between tokens", "s", quantiles(q.between_tokens)),
        Panel("Time of a request, on average", "s", one(q.duration, "{{model}}")),
        Panel("Requests in flight", "short", one(q.in_flight, "{{model}}")),
        Panel("Prompt tokens, a second", "short", one(q.input_tokens, "{{model}}")),
        Panel("Answer tokens, a second", "short", one(q.output_tokens, "{{model}}")),
        Panel("Tokens of a prompt", "short", one(q.input_length, "{{model}}")),
        Panel("Tokens of an answer", "short", one(q.output_length, "{{model}}")),
        Panel(
            "Share of errors",
            "percentunit",
            one(q.error_ratio, "errors"),
            "Without cancelled and invalid ones.",
        ),
        Panel(
            "Answers whose worker was lost",
            "reqps",
            one(q.moved, "{{outcome}}", A_FAULT),
            "success: went on at another worker.",
        ),
    ),
)

ROLES = Dashboard(
    "prefill-decode",
    "Dynamo: prefill against decode",
    (
        Panel(
            "Requests that a worker has at once",
            "short",
            one(q.load_of_a_worker, "{{component}}"),
            "The pool with more is the bottleneck: give it the next GPU. docs/sizing.md",
        ),
        Panel("Requests that wait", "short", one(q.queued, "{{worker_type}}")),
        Panel("Prompt tokens that wait", "short", one(q.queued_tokens, "{{worker_type}}")),
        Panel("Requests by role", "reqps", one(q.worker_requests, "{{component}}")),
        Panel("Time in a role, half of the requests", "s", one(q.worker_duration(0.5), "{{component}}")),
        Panel("Time in a role, p99", "s", one(q.worker_duration(0.99), "{{component}}")),
        Panel("Prompt tokens in prefill, by worker", "short", one(q.active_prefill_tokens, "{{worker_id}}")),
        Panel("KV blocks in decode, by worker", "short", one(q.active_decode_blocks, "{{worker_id}}")),
        Panel("Requests in flight, by pod", "short", one(q.worker_in_flight, "{{pod}}")),
        Panel(
            "KV cache in use",
            "percentunit",
            (
                Query(q.vllm_cache_in_use, "{{pod}}, by vLLM"),
                Query(q.cache_in_use, "{{pod}}, by Dynamo", GPUS),
            ),
        ),
        Panel(
            "Requests in the engine",
            "short",
            (Query(q.vllm_running, "{{pod}} run"), Query(q.vllm_waiting, "{{pod}} wait")),
            "vLLM.",
        ),
        Panel(
            "Preemptions",
            "ops",
            one(q.vllm_preemptions, "{{pod}}"),
            "vLLM. Decode has too little room for its KV cache.",
        ),
        Panel(
            "KV transfer, GB/s of a GPU",
            "short",
            transfers(q.transfer_speed),
            "Below 1 it is TCP, whatever the values promise: docs/kv-path.md",
        ),
        Panel("Failed KV transfers", "ops", transfers(q.transfer_failures)),
        Panel("KV transfer, as the router estimates it", "s", quantiles(q.estimated_transfer)),
    ),
)

ROUTER = Dashboard(
    "router",
    "Dynamo: router and cache",
    (
        Panel(
            "Prompt tokens that prefill had in its cache",
            "percentunit",
            (Query(q.prefix_hits, "at the chosen worker"), Query(q.best_prefix_hits, "at the worker with most")),
            "The gap is what balancing the load costs. cached_tokens of an answer is decode's and no measure of this.",
        ),
        Panel(
            "Workers that the router knows", "short", one(partial(q.registered, by="worker_type"), "{{worker_type}}")
        ),
        Panel("Choices of a worker", "ops", one(q.decisions, "choices"), "Two a request: prefill, then decode."),
        Panel("Time of a choice", "ms", quantiles(q.router_overhead)),
        Panel(
            "KV events",
            "ops",
            (Query(q.cache_events, "{{event_type}}"), Query(q.cache_event_errors, "{{status}}", A_FAULT)),
            "All that is not stored, removed or cleared is an error, and costs cache hits.",
        ),
        Panel("Workers whose cache the router cannot follow", "short", one(q.silent_workers, "{{worker_type}}")),
    ),
)

HEALTH = Dashboard(
    "health",
    "Dynamo: health of a release",
    (
        Panel(
            "Model ready", "short", one(q.model_ready, "{{model}} at {{pod}}"), "No line: the frontend knows no model."
        ),
        Panel("Frontends without the model", "short", one(q.without_model, "{{pod}}", A_FAULT)),
        Panel("Pods that are scraped", "short", one(q.targets, "{{component}}")),
        Panel(
            "Workers that run, and that the router knows",
            "short",
            (Query(q.workers_up, "run"), Query(q.registered, "known")),
        ),
        Panel("Time since the start", "s", one(q.uptime, "{{pod}}")),
        Panel("Delay in a frontend's event loop, p99", "s", one(q.loop_delay, "{{pod}}"), "Above 0.1 it lacks CPU."),
        Panel("Restarts of containers", "short", one(q.restarts, "{{pod}}", KUBE)),
        Panel("Failed canaries", "short", one(q.failed_canary, "{{job_name}}", KUBE), "docs/kv-path.md"),
    ),
)

DASHBOARDS = (OVERVIEW, ROLES, ROUTER, HEALTH)

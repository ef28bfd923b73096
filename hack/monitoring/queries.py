"""PromQL about one release; the only place that names metrics, beside files/verify/engines.py for KV transfers.

Names and labels are those of Dynamo 1.6.1, as findings/README.md has them. What is worth knowing of them:
  requests_total        does not count what was refused because a pool is empty, and counts users who left as errors
  model_ready           has no series before a frontend knows the model, and none after the last worker has gone
  worker_id             is another number, in another base, for frontend, router and worker: joins are by pod
  kv_hit_rate           has two observations a request, of prefill and of decode: the prefill's share is of tokens
  cached_tokens         is of the decode worker: it says nothing of the prefill that was saved
  gauges of workers     are in each frontend, so they are not added up: max over the frontends
"""

from __future__ import annotations

from dataclasses import dataclass

from verify.engines import Series, Transfers

FRONTEND = "dynamo_frontend_"
ROUTER = "dynamo_component_router_"
WORKER = "dynamo_component_"
# What the scrape gives every series: README of the labels in docs/monitoring.md.
RELEASE = "namespace, job"
# Users who leave, and requests that are wrong, are not the release's errors; those refused with 529 have an alert.
NOT_OURS = 'error_type!~"cancelled|validation|not_found|overload"'
# With tokens sent. A request that finds no worker as roles start fails as a migration of type new_request.
BEGUN = 'migration_type="ongoing_request"'
MIGRATIONS = FRONTEND + "model_migration_duration_seconds_count"
SERVES = 'dynamo_endpoint="generate"'


@dataclass(frozen=True)
class Scope:
    """Whose series, by label matchers, and over which time rates are."""

    release: str
    window: str

    def of(self, name: str, *matchers: str) -> str:
        """A selector."""
        return f"{name}{{{', '.join([self.release, *matchers])}}}"

    def rate(self, name: str, *matchers: str) -> str:
        """What a counter gains in a second."""
        return f"rate({self.of(name, *matchers)}[{self.window}])"

    def total(self, by: str, name: str, *matchers: str) -> str:
        """The sum of rates."""
        return f"sum by ({by}) ({self.rate(name, *matchers)})"

    def quantile(self, quantile: float, by: str, name: str, *matchers: str) -> str:
        """A quantile of a histogram."""
        return f"histogram_quantile({quantile}, {self.total(f'{by}, le', f'{name}_bucket', *matchers)})"

    def mean(self, by: str, name: str, *matchers: str) -> str:
        """The mean of a histogram."""
        return f"{self.total(by, f'{name}_sum', *matchers)} / {self.total(by, f'{name}_count', *matchers)}"


# Frontends: what clients see.


def frontends_up(s: Scope) -> str:
    return s.of("up", 'component="frontend"') + " == 1"


def model_ready(s: Scope) -> str:
    return s.of(FRONTEND + "model_ready")


def without_model(s: Scope) -> str:
    """Frontends that answer every name of a model with 404."""
    return f"({frontends_up(s)}) unless on ({RELEASE}, pod) {model_ready(s)}"


def requests(s: Scope, by: str) -> str:
    return s.total(by, FRONTEND + "requests_total")


def errors(s: Scope) -> str:
    return s.total(RELEASE, FRONTEND + "requests_total", 'status="error"', NOT_OURS)


def error_ratio(s: Scope) -> str:
    """There is no series of errors before the first one."""
    everything = s.total(RELEASE, FRONTEND + "requests_total", NOT_OURS)
    return f"({errors(s)} or 0 * {everything}) / {everything}"


def failures(s: Scope, by: str, *matchers: str) -> str:
    return s.total(by, FRONTEND + "failures_total", *matchers)


def refused(s: Scope) -> str:
    """503 because a pool is empty; the only counter that has them, without the model."""
    return failures(s, RELEASE, 'class="Unavailable"')


def rejected(s: Scope) -> str:
    """529 because a threshold of the frontend's is reached; there is no series before the first."""
    return s.total(f"{RELEASE}, model", FRONTEND + "model_rejection_total")


def moved(s: Scope) -> str:
    """Answers that went on at another worker (outcome="success") or were lost; model_migration_total counts both."""
    return s.total(f"{RELEASE}, outcome", MIGRATIONS, BEGUN)


def lost(s: Scope) -> str:
    """
    The same as a number; a series that begins with 1 has no rate, so those that are new count as they are. One that
    was there in the hour before is not new: Prometheus itself may have been away.
    """
    series = s.of(MIGRATIONS, BEGUN, 'outcome="failure"')
    grown = f"sum by ({RELEASE}) (increase({series}[{s.window}])) > 0"
    return f"{grown} or sum by ({RELEASE}) ({series} unless last_over_time({series}[1h] offset {s.window})) > 0"


def first_token(s: Scope, quantile: float) -> str:
    return s.quantile(quantile, f"{RELEASE}, model", FRONTEND + "time_to_first_token_seconds")


def between_tokens(s: Scope, quantile: float) -> str:
    return s.quantile(quantile, f"{RELEASE}, model", FRONTEND + "inter_token_latency_seconds")


def duration(s: Scope) -> str:
    """The mean: the histogram's first bound is seconds."""
    return s.mean(f"{RELEASE}, model", FRONTEND + "request_duration_seconds")


def output_tokens(s: Scope) -> str:
    return s.total(f"{RELEASE}, model", FRONTEND + "output_tokens_total")


def input_tokens(s: Scope) -> str:
    return s.total(f"{RELEASE}, model", FRONTEND + "input_sequence_tokens_sum")


def input_length(s: Scope) -> str:
    return s.mean(f"{RELEASE}, model", FRONTEND + "input_sequence_tokens")


def output_length(s: Scope) -> str:
    return s.mean(f"{RELEASE}, model", FRONTEND + "output_sequence_tokens")


def in_flight(s: Scope) -> str:
    return f"sum by ({RELEASE}, model) ({s.of(FRONTEND + 'inflight_requests')})"


def loop_delay(s: Scope) -> str:
    return s.quantile(0.99, f"{RELEASE}, pod", FRONTEND + "event_loop_delay_seconds")


# The router, in the frontends.


def queued(s: Scope) -> str:
    """Requests that wait for a worker; each frontend has a queue of its own."""
    return f"sum by ({RELEASE}, worker_type) ({s.of(FRONTEND + 'router_queue_pending_requests')})"


def queued_tokens(s: Scope) -> str:
    return f"sum by ({RELEASE}, worker_type) ({s.of(FRONTEND + 'router_queue_pending_isl_tokens')})"


def active_prefill_tokens(s: Scope) -> str:
    series = s.of(FRONTEND + "worker_active_prefill_tokens", 'worker_type="prefill"')
    return f"max by ({RELEASE}, worker_id, dp_rank) ({series})"


def active_decode_blocks(s: Scope) -> str:
    series = s.of(FRONTEND + "worker_active_decode_blocks", 'worker_type="decode"')
    return f"max by ({RELEASE}, worker_id, dp_rank) ({series})"


def registered(s: Scope, by: str = RELEASE) -> str:
    """Workers that the router knows; one with data parallelism has a series for each rank."""
    series = s.of(ROUTER + "worker_registered")
    return f"count by ({by}) (count by ({RELEASE}, worker_type, router_worker_id) ({series} == 1))"


def prefix_hits(s: Scope) -> str:
    """Share of the prompts' tokens that the chosen prefill worker had in its cache."""
    mine = 'phase="prefill"'
    cached = s.total(RELEASE, ROUTER + "kv_selected_cached_prefix_tokens_total", mine)
    return f"{cached} / {s.total(RELEASE, ROUTER + 'input_sequence_tokens_sum', mine)}"


def best_prefix_hits(s: Scope) -> str:
    """The same of the worker that had most: what balancing the load costs."""
    mine = 'phase="prefill"'
    cached = s.total(RELEASE, ROUTER + "kv_best_eligible_cached_prefix_tokens_total", mine)
    return f"{cached} / {s.total(RELEASE, ROUTER + 'input_sequence_tokens_sum', mine)}"


def cache_events(s: Scope) -> str:
    return s.total(f"{RELEASE}, event_type", WORKER + "kv_cache_events_applied", 'status="ok"')


def cache_event_errors(s: Scope) -> str:
    return s.total(f"{RELEASE}, status", WORKER + "kv_cache_events_applied", 'status!="ok"') + " > 0"


def silent_workers(s: Scope) -> str:
    """Workers whose cache the router cannot follow."""
    return f"max by ({RELEASE}, worker_type) ({s.of(ROUTER + 'kv_event_source_mismatch_workers')})"


def router_overhead(s: Scope, quantile: float) -> str:
    return s.quantile(quantile, RELEASE, "dynamo_router_overhead_total_ms")


def decisions(s: Scope) -> str:
    """Choices of a worker: two a request in disaggregation."""
    return s.total(RELEASE, ROUTER + "requests_total")


def estimated_transfer(s: Scope, quantile: float) -> str:
    return s.quantile(quantile, RELEASE, ROUTER + "kv_transfer_estimated_latency_seconds")


# Workers.


def workers_up(s: Scope, by: str = RELEASE) -> str:
    up = s.of("up", 'component=~"prefill|decode"')
    return f"count by ({by}) ({up} == 1)"


def targets(s: Scope) -> str:
    return f"sum by ({RELEASE}, component) ({s.of('up')})"


def down(s: Scope) -> str:
    return s.of("up") + " == 0"


def worker_requests(s: Scope) -> str:
    """Without the routers' questions about the cache, which are requests to another endpoint."""
    return s.total(f"{RELEASE}, component", WORKER + "requests_total", SERVES)


def load_of_a_worker(s: Scope) -> str:
    """How many requests a worker of a role has at once, on average."""
    busy = s.total(f"{RELEASE}, component", WORKER + "request_duration_seconds_sum", SERVES)
    return f"{busy} / on ({RELEASE}, component) {workers_up(s, f'{RELEASE}, component')}"


def worker_in_flight(s: Scope) -> str:
    return f"sum by ({RELEASE}, component, pod) ({s.of(WORKER + 'inflight_requests', SERVES)})"


def worker_duration(s: Scope, quantile: float) -> str:
    return s.quantile(quantile, f"{RELEASE}, component", WORKER + "request_duration_seconds", SERVES)


def uptime(s: Scope) -> str:
    return f"max by ({RELEASE}, component, pod) ({s.of(WORKER + 'uptime_seconds')})"


def cache_in_use(s: Scope) -> str:
    """Share of the KV cache that is in use; each worker knows its own, the frontend only the first one's size."""
    return f"max by ({RELEASE}, component, pod) ({s.of(WORKER + 'gpu_cache_usage_percent')})"


def vllm_cache_in_use(s: Scope) -> str:
    return f"max by ({RELEASE}, component, pod) ({s.of('vllm:kv_cache_usage_perc')})"


def vllm_waiting(s: Scope) -> str:
    return f"sum by ({RELEASE}, component, pod) ({s.of('vllm:num_requests_waiting')})"


def vllm_running(s: Scope) -> str:
    return f"sum by ({RELEASE}, component, pod) ({s.of('vllm:num_requests_running')})"


def vllm_preemptions(s: Scope) -> str:
    return s.total(f"{RELEASE}, component, pod", "vllm:num_preemptions_total")


def transfer_speed(s: Scope, counters: Transfers) -> str:
    """GB/s of one GPU, by what the engine says of its KV transfers."""

    def total(series: Series) -> str:
        return s.total(f"{RELEASE}, component, pod", series.name, *(f'{k}="{v}"' for k, v in series.labels.items()))

    unit = counters.bytes.unit / counters.seconds.unit / 1e9
    return f"{total(counters.bytes)} / {total(counters.seconds)} * {unit:g}"


def transfer_failures(s: Scope, counters: Transfers) -> str:
    """All kinds together; without a label of its own the first would hide the others, also while it stands still."""
    kinds = (f'label_replace({s.rate(name)}, "counter", "{name}", "", "")' for name in counters.failures)
    return f"sum by ({RELEASE}, component, pod) ({' or '.join(kinds)})"


# The cluster, by kube-state-metrics.


def restarts(s: Scope) -> str:
    pods = 'namespace="{namespace}", pod=~"{release}-.*"'
    counter = f"kube_pod_container_status_restarts_total{{{_of_kube(s, pods)}}}"
    return f"sum by (namespace, pod) (increase({counter}[{s.window}]))"


def failed_canary(s: Scope) -> str:
    jobs = 'namespace="{namespace}", job_name=~"{release}-canary-.*"'
    return f"sum by (namespace, job_name) (kube_job_status_failed{{{_of_kube(s, jobs)}}})"


def _of_kube(s: Scope, matchers: str) -> str:
    """kube-state-metrics is another job: its series name the release's objects."""
    namespace, release = (part.split('"')[1] for part in s.release.split(", "))
    return matchers.format(namespace=namespace, release=release)

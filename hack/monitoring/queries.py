"""PromQL about one release; the only place that names metrics, beside files/verify/engines.py for KV transfers.

Names and labels are those of Dynamo 1.6.1, as findings/README.md has them. What is worth knowing of them:
  requests_total        does not count what was refused because a pool is empty, and counts users who left as errors
  model_ready           has no series before a frontend knows the model, and none after the last worker has gone
  worker_id             is another number, in another base, for frontend, router and worker: joins are by pod
  kv_hit_rate           has two observations a request, of prefill and of decode: the prefill's share is of tokens
  cached_tokens         is of the decode worker: it says nothing of the prefill that was saved
  gauges of workers     are in each frontend, so they are not added up: max over the frontends
"""

from collections.abc import Callable
from dataclasses import dataclass

from verify.engines import Transfers

FRONTEND = "dynamo_frontend_"
ROUTER = "dynamo_component_router_"
WORKER = "dynamo_component_"
# What the scrape gives every series: README of the labels in docs/monitoring.md.
RELEASE = "namespace, job"
MODEL = f"{RELEASE}, model"
ROLE = f"{RELEASE}, component"
POD = f"{ROLE}, pod"
POOL = f"{RELEASE}, worker_type"
WORKER_ID = f"{RELEASE}, worker_id, dp_rank"
# Users who leave, and requests that are wrong, are not the release's errors; those refused with 529 have an alert.
NOT_OURS = 'error_type!~"cancelled|validation|not_found|overload"'
# With tokens sent. A request that finds no worker as roles start fails as a migration of type new_request.
BEGUN = 'migration_type="ongoing_request"'
MIGRATIONS = FRONTEND + "model_migration_duration_seconds_count"
SERVES = 'dynamo_endpoint="generate"'
PROMPTS = ROUTER + "input_sequence_tokens_sum"


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


# A query about whatever release is asked for. Where `by` is said, series are put together that have these labels alike.
Ask = Callable[[Scope], str]


def total(by: str, name: str, *matchers: str) -> Ask:
    """What counters gain in a second."""
    return lambda s: f"sum by ({by}) ({s.rate(name, *matchers)})"


def quantile(by: str, name: str, *matchers: str) -> Callable[[float], Ask]:
    """Any quantile of a histogram."""
    rates = total(f"{by}, le", f"{name}_bucket", *matchers)
    return lambda share: lambda s: f"histogram_quantile({share}, {rates(s)})"


def ratio(by: str, above: str, below: str, *matchers: str) -> Ask:
    """What a counter gains for each of another."""
    return lambda s: f"{total(by, above, *matchers)(s)} / {total(by, below, *matchers)(s)}"


def mean(by: str, name: str) -> Ask:
    """The mean of a histogram."""
    return ratio(by, f"{name}_sum", f"{name}_count")


def now(how: str, by: str, name: str, *matchers: str) -> Ask:
    """The sum or the max of gauges, as they are."""
    return lambda s: f"{how} by ({by}) ({s.of(name, *matchers)})"


# Frontends: what clients see.

everything = total(RELEASE, FRONTEND + "requests_total", NOT_OURS)
requests = total("status, error_type", FRONTEND + "requests_total")
errors = total(RELEASE, FRONTEND + "requests_total", 'status="error"', NOT_OURS)
failures = total("class, reason", FRONTEND + "failures_total")
# 503 because a pool is empty; the only counter that has them, without the model.
refused = total(RELEASE, FRONTEND + "failures_total", 'class="Unavailable"')
# 529 because a threshold of the frontend's is reached; there is no series before the first.
rejected = total(MODEL, FRONTEND + "model_rejection_total")
# Answers that went on at another worker (outcome="success") or were lost; model_migration_total counts both.
moved = total(f"{RELEASE}, outcome", MIGRATIONS, BEGUN)
first_token = quantile(MODEL, FRONTEND + "time_to_first_token_seconds")
between_tokens = quantile(MODEL, FRONTEND + "inter_token_latency_seconds")
# The mean: the histogram's first bound is seconds.
duration = mean(MODEL, FRONTEND + "request_duration_seconds")
output_tokens = total(MODEL, FRONTEND + "output_tokens_total")
input_tokens = total(MODEL, FRONTEND + "input_sequence_tokens_sum")
input_length = mean(MODEL, FRONTEND + "input_sequence_tokens")
output_length = mean(MODEL, FRONTEND + "output_sequence_tokens")
in_flight = now("sum", MODEL, FRONTEND + "inflight_requests")
loop_delay = quantile(f"{RELEASE}, pod", FRONTEND + "event_loop_delay_seconds")(0.99)


def frontends_up(s: Scope) -> str:
    return s.of("up", 'component="frontend"') + " == 1"


def model_ready(s: Scope) -> str:
    return s.of(FRONTEND + "model_ready")


def without_model(s: Scope) -> str:
    """Frontends that answer every name of a model with 404."""
    return f"({frontends_up(s)}) unless on ({RELEASE}, pod) {model_ready(s)}"


def error_ratio(s: Scope) -> str:
    """There is no series of errors before the first one."""
    return f"({errors(s)} or 0 * {everything(s)}) / {everything(s)}"


def lost(s: Scope) -> str:
    """
    The same as a number; a series that begins with 1 has no rate, so those that are new count as they are. One that
    was there in the hour before is not new: Prometheus itself may have been away.
    """
    series = s.of(MIGRATIONS, BEGUN, 'outcome="failure"')
    grown = f"sum by ({RELEASE}) (increase({series}[{s.window}])) > 0"
    return f"{grown} or sum by ({RELEASE}) ({series} unless last_over_time({series}[1h] offset {s.window})) > 0"


# The router, in the frontends.

# Requests that wait for a worker; each frontend has a queue of its own.
queued = now("sum", POOL, FRONTEND + "router_queue_pending_requests")
queued_tokens = now("sum", POOL, FRONTEND + "router_queue_pending_isl_tokens")
active_prefill_tokens = now("max", WORKER_ID, FRONTEND + "worker_active_prefill_tokens", 'worker_type="prefill"')
active_decode_blocks = now("max", WORKER_ID, FRONTEND + "worker_active_decode_blocks", 'worker_type="decode"')
cache_events = total(f"{RELEASE}, event_type", WORKER + "kv_cache_events_applied", 'status="ok"')
# Workers whose cache the router cannot follow.
silent_workers = now("max", POOL, ROUTER + "kv_event_source_mismatch_workers")
# Share of the prompts' tokens that the chosen prefill worker had in its cache.
prefix_hits = ratio(RELEASE, ROUTER + "kv_selected_cached_prefix_tokens_total", PROMPTS, 'phase="prefill"')
# The same of the worker that had most: what balancing the load costs.
best_prefix_hits = ratio(RELEASE, ROUTER + "kv_best_eligible_cached_prefix_tokens_total", PROMPTS, 'phase="prefill"')
router_overhead = quantile(RELEASE, "dynamo_router_overhead_total_ms")
# Choices of a worker: two a request in disaggregation.
decisions = total(RELEASE, ROUTER + "requests_total")
estimated_transfer = quantile(RELEASE, ROUTER + "kv_transfer_estimated_latency_seconds")


def registered(s: Scope, by: str = RELEASE) -> str:
    """Workers that the router knows; one with data parallelism has a series for each rank."""
    series = s.of(ROUTER + "worker_registered")
    return f"count by ({by}) (count by ({RELEASE}, worker_type, router_worker_id) ({series} == 1))"


def cache_event_errors(s: Scope) -> str:
    return total(f"{RELEASE}, status", WORKER + "kv_cache_events_applied", 'status!="ok"')(s) + " > 0"


# Workers.

targets = now("sum", ROLE, "up")
# Without the routers' questions about the cache, which are requests to another endpoint.
worker_requests = total(ROLE, WORKER + "requests_total", SERVES)
worker_in_flight = now("sum", POD, WORKER + "inflight_requests", SERVES)
worker_duration = quantile(ROLE, WORKER + "request_duration_seconds", SERVES)
uptime = now("max", POD, WORKER + "uptime_seconds")
# Share of the KV cache that is in use; each worker knows its own, the frontend only the first one's size.
cache_in_use = now("max", POD, WORKER + "gpu_cache_usage_percent")
vllm_cache_in_use = now("max", POD, "vllm:kv_cache_usage_perc")
vllm_waiting = now("sum", POD, "vllm:num_requests_waiting")
vllm_running = now("sum", POD, "vllm:num_requests_running")
vllm_preemptions = total(POD, "vllm:num_preemptions_total")


def workers_up(s: Scope, by: str = RELEASE) -> str:
    up = s.of("up", 'component=~"prefill|decode"')
    return f"count by ({by}) ({up} == 1)"


def down(s: Scope) -> str:
    return s.of("up") + " == 0"


def load_of_a_worker(s: Scope) -> str:
    """How many requests a worker of a role has at once, on average."""
    busy = total(ROLE, WORKER + "request_duration_seconds_sum", SERVES)
    return f"{busy(s)} / on ({ROLE}) {workers_up(s, ROLE)}"


def transfer_speed(counters: Transfers) -> Ask:
    """GB/s of one GPU, by what the engine says of its KV transfers."""
    gained, took = (
        total(POD, series.name, *(f'{k}="{v}"' for k, v in series.labels.items()))
        for series in (counters.bytes, counters.seconds)
    )
    unit = counters.bytes.unit / counters.seconds.unit / 1e9
    return lambda s: f"{gained(s)} / {took(s)} * {unit:g}"


def transfer_failures(counters: Transfers) -> Ask:
    """All kinds together; without a label of its own the first would hide the others, also while it stands still."""

    def failures(s: Scope) -> str:
        kinds = (f'label_replace({s.rate(name)}, "counter", "{name}", "", "")' for name in counters.failures)
        return f"sum by ({POD}) ({' or '.join(kinds)})"

    return failures


# The cluster, by kube-state-metrics.

# Pods that restart: Jobs' never do. What controllers add to a name has no vowel, unlike the components of another
# release, whose name may begin alike. A DisaggregatedSet puts its revision before the role.
PODS = (
    "{release}-(frontend|prefill|decode|encode|etcd|nats)(-group|-rank)?(-[0-9b-df-hj-np-tv-z]+)+"
    "|{release}(-0)?-[0-9a-f]{{8}}-(prefill|decode|encode)(-[0-9]+)+"
)


def restarts(s: Scope) -> str:
    pods = f'namespace="{{namespace}}", pod=~"{PODS}"'
    counter = f"kube_pod_container_status_restarts_total{{{_of_kube(s, pods)}}}"
    return f"sum by (namespace, pod) (increase({counter}[{s.window}]))"


def failed_canary(s: Scope) -> str:
    jobs = 'namespace="{namespace}", job_name=~"{release}-canary-[0-9]+"'
    return f"sum by (namespace, job_name) (kube_job_status_failed{{{_of_kube(s, jobs)}}})"


def _of_kube(s: Scope, matchers: str) -> str:
    """kube-state-metrics is another job: its series name the release's objects."""
    namespace, release = (part.split('"')[1] for part in s.release.split(", "))
    return matchers.format(namespace=namespace, release=release)

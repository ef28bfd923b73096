"""What came of load that grows and shrinks: rows for the terminal, and table and picture of docs/autoscaling.md."""

from datetime import UTC, datetime
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hack.base.paths import ROOT
from hack.cluster import scalers
from hack.containers import build_images
from hack.docs.pages import inserted, table
from hack.monitoring.pictures import save
from hack.reliability.overload_report import told
from hack.reliability.place import tried_on
from hack.reliability.scaling import Scaling
from hack.reliability.subject import COMPONENTS
from hack.tools import keda

PAGE = ROOT / "docs" / "autoscaling.md"
PICTURE = ROOT / "docs" / "pictures" / "scaling.png"
COLUMNS = (
    *("requests/s", "seconds", "sent", "right", "wrong", "failed", "shed"),
    *("longest stall", "TTFT p50", "TTFT p99", "frontends", "prefill", "decode"),
)
# Over so many seconds requests are counted.
WINDOW = 10


def rows(seen: Scaling) -> list[list[str]]:
    """One for each phase; pods are those at its end."""
    made = []
    for number, phase in enumerate(seen.phases):
        times = [f"{phase[name]} s" for name in ("longest_stall", "first_token_p50", "first_token_p99")]
        pods = [str(seen.pods(number)[name]) for name in COMPONENTS]
        made.append([*told(phase), *times, *pods])
    return made


def page(seen: Scaling) -> str:
    """docs/autoscaling.md with this in place of what was there."""
    when = f"{datetime.now(UTC):%Y-%m-%d}, {tried_on()}"
    grown = ", ".join(f"{name} after {seen.grown(name) or 0:.0f} s" for name in COMPONENTS)
    after = f"From the moment at which the load grew, one pod more was ready: {grown}."
    return inserted(PAGE, "Scaling", f"{when},\n{_took()}:\n\n{table([*COLUMNS], rows(seen))}\n{after}\n")


def _took() -> str:
    """The scalers, and which of their images were built here."""
    made = {name: build_images.images()[name] for name in (*scalers.IMAGES, "prometheus")}
    words = [
        f"{name} {image.version} ({'built from its Go module' if build_images.built_here(image) else 'as published'})"
        for name, image in made.items()
    ]
    cut = f"\n(KEDA with the scalers {', '.join(keda.kept())} only)" if build_images.built_here(made["keda"]) else ""
    return f"{', '.join(words)}{cut}"


def draw(seen: Scaling, file: Path = PICTURE) -> None:
    """Requests and pods over time."""
    figure = Figure(figsize=(10, 5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    _requests(above, seen)
    times = [one.seconds for one in seen.samples]
    for number, name in enumerate(COMPONENTS):
        # Beside each other where they are as many.
        counts = [one.ready[name] + 0.04 * (number - 1) for one in seen.samples]
        (line,) = below.step(times, counts, where="post", linewidth=1.6, label=name)
        wanted = [one.wanted[name] + 0.04 * (number - 1) for one in seen.samples]
        below.step(times, wanted, where="post", linewidth=0.8, linestyle=":", color=line.get_color())
    below.set_ylabel("pods: ready, wanted (dotted)", fontsize=8)
    below.set_xlabel("seconds", fontsize=8)
    below.set_ylim(0, None)
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize=8)
        axes.legend(fontsize=8, loc="upper right")
    save(figure, file)


def _requests(axes: Axes, seen: Scaling) -> None:
    end, times, rates = 0.0, [0.0], [seen.phases[0]["rate"]]
    for phase in seen.phases:
        times += [end, end + phase["seconds"]]
        rates += [phase["rate"]] * 2
        end += phase["seconds"]
    axes.plot(times, rates, linewidth=1.2, linestyle="--", color="grey", label="requests sent in a second")
    moments, answered = [], []
    for one in seen.samples:
        before = [other for other in seen.samples if other.seconds <= one.seconds - WINDOW]
        if before:
            moments.append(one.seconds)
            answered.append((one.right - before[-1].right) / (one.seconds - before[-1].seconds))
    axes.plot(moments, answered, linewidth=1.4, label=f"answered, over {WINDOW} s")
    axes.set_ylabel("1/s", fontsize=8)
    axes.set_ylim(0, None)

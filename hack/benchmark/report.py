"""A comparison for people: a table, pictures, and one page that needs no other file."""

import base64
import html
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from hack.benchmark.results import Point, Result, comparable
from hack.benchmark.verdict import over, verdict

RATES, TIMES = ("requests/s", "in time/s"), ("TTFT p50/p99 s", "TPOT p50/p99 ms", "gap p99 ms")
HEAD = ("arm", "GPUs", "prompt", "streams", *RATES, *TIMES)
STYLE = """
body {font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1a1a1a}
.picture {overflow-x: auto; margin: 1rem 0} img {width: 100%; min-width: 55rem}
h1 {font-size: 1.5rem} .first {font-size: 1.25rem; font-weight: 600}
table {border-collapse: collapse; font-variant-numeric: tabular-nums; display: block; overflow-x: auto}
td, th {border-bottom: 1px solid #ddd; padding: .3rem .7rem; text-align: right; white-space: nowrap}
td:first-child, th:first-child {text-align: left} .over {color: #b00020} .best {font-weight: 600}
.simulated {background: #fff3cd; padding: .5rem 1rem}
"""


def rows(results: list[Result]) -> list[tuple[Result, Point, list[str]]]:
    """Of the table: every point that all have a prompt length of."""
    found = []
    for prompt in comparable(results):
        for result in results:
            for p in result.at(prompt):
                rates = [f"{p.requests_per_second:.2f}", f"{p.good_per_second:.2f}"]
                times = ["{:.2f} / {:.2f}".format(*(t / 1000 for t in p.ttft)), "{:.1f} / {:.1f}".format(*p.tpot)]
                cells = [
                    result.name,
                    str(result.gpus),
                    str(prompt),
                    str(p.concurrency),
                    *rates,
                    *times,
                    f"{p.gap[1]:.1f}",
                ]
                found.append((result, p, cells))
    return found


def draw(results: list[Result], prompt: int, file: Path) -> None:
    """Four curves over the streams, with the limits."""
    limits = results[0].document["limits"]
    panels: tuple[tuple[str, Callable[[Point], float], float | None], ...] = (
        ("requests/s (dashed: within the limits)", lambda p: p.requests_per_second, None),
        ("TTFT p99, s (dotted: the limit)", lambda p: p.ttft[1] / 1000, limits["ttft_ms"] / 1000),
        ("TPOT p99, ms (dotted: the limit)", lambda p: p.tpot[1], limits["itl_ms"]),
        ("gap between tokens p99, ms", lambda p: p.gap[1], None),
    )
    figure = Figure(figsize=(13, 3.4), layout="constrained")
    mark = ", simulated" if results[0].document["simulated"] else ""
    answer = results[0].at(prompt)[0].answer_tokens
    measured = sorted({point.concurrency for result in results for point in result.at(prompt)})
    figure.suptitle(f"{results[0].document['model']}: {prompt} tokens in, {answer} out{mark}", fontsize=11)
    for number, (axes, (title, value, limit)) in enumerate(zip(figure.subplots(1, 4), panels, strict=True)):
        for result in results:
            points = result.at(prompt)
            streams = [p.concurrency for p in points]
            (line,) = axes.plot(streams, [value(p) for p in points], marker="o", markersize=3, label=result.name)
            if number == 0:
                good = [p.good_per_second for p in points]
                axes.plot(streams, good, linestyle="--", color=line.get_color(), linewidth=1)
        if limit:
            axes.axhline(limit, color="#b00020", linewidth=0.8, linestyle=":")
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("streams", fontsize=8)
        axes.set_xticks(measured)
        axes.set_ylim(bottom=0)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    figure.axes[0].legend(fontsize=7)
    # Twice as many dots as the page has, for screens that show them.
    figure.savefig(file, dpi=180)


def page(results: list[Result], pictures: list[Path]) -> str:
    """All of it as one HTML file."""
    document = results[0].document
    said = verdict(results)
    # Before any figure.
    warning = [f"<p class=simulated>{html.escape(said.pop())}</p>"] if document["simulated"] else []
    answer, *others = said
    best = {(r.name, prompt): r.best(prompt) for r in results for prompt in comparable(results)}
    lines = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{html.escape(document['model'])}</title><style>{STYLE}</style></head><body>",
        f"<h1>{html.escape(' / '.join(r.name for r in results))}</h1>",
        *warning,
        f"<p class='first'>{html.escape(answer)}</p>",
        *(f"<p>{html.escape(sentence)}</p>" for sentence in others),
        *(f"<div class=picture><img alt='{p.stem}' src='data:image/png;base64,{_encoded(p)}'></div>" for p in pictures),
        f"<table><thead><tr>{''.join(f'<th>{html.escape(head)}</th>' for head in HEAD)}</tr></thead><tbody>",
    ]
    for result, point, cells in rows(results):
        exceeded = over(result, point)
        marks = {6: "ttft" in exceeded, 7: "tpot" in exceeded}
        tds = [f"<td{' class=over' if marks.get(i) else ''}>{html.escape(cell)}</td>" for i, cell in enumerate(cells)]
        is_best = best[result.name, point.prompt_tokens] == point
        lines.append(f"<tr{' class=best' if is_best else ''}>{''.join(tds)}</tr>")
    lines.append("</tbody></table><p>Bold: the most requests within the limits. Red: a limit is exceeded.</p><ul>")
    for r in results:
        text = f"{r.name}: {r.shape}; {r.document['engine']}, AIPerf {r.document['aiperf']}, {r.document['started']}"
        lines.append(f"<li>{html.escape(text)}</li>")
    return "\n".join([*lines, "</ul></body></html>", ""])


def write(results: list[Result], folder: Path) -> Path:
    """Pictures and page; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for prompt in comparable(results):
        pictures.append(folder / f"prompt-{prompt}.png")
        draw(results, prompt, pictures[-1])
    file = folder / "index.html"
    file.write_text(page(results, pictures))
    return file


def _encoded(picture: Path) -> str:
    return base64.b64encode(picture.read_bytes()).decode()

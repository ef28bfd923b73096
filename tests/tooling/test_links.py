"""Links between the project's pages lead to files that exist."""

import re
from pathlib import Path

import pytest

from hack.base.paths import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "values").glob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def dead(page: Path) -> list[str]:
    """Targets of a page's relative links that do not exist, from the root."""
    targets = (link for link in LINK.findall(page.read_text()) if "://" not in link)
    paths = ((page.parent / target).resolve() for target in targets)
    return [str(path.relative_to(ROOT)) for path in paths if not path.exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert dead(page) == []


def test_a_dead_link_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("[a](page.md#top) [b](none.md) [c](https://example.com)")
    assert dead(page) == ["none.md"]

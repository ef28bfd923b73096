"""What docs/monitoring.md tells a Prometheus without the operator to scrape."""

import re
from typing import Any

from hack.base.paths import ROOT
from hack.base.yamlfile import parse

PAGE = ROOT / "docs" / "monitoring.md"


def documented(namespace: str, **more: Any) -> dict[str, Any]:
    """The page's scrape configuration, for the pods of one namespace."""
    (block,) = re.findall(r"```yaml\n(scrape_configs:.*?)```", PAGE.read_text(), re.DOTALL)
    (config,) = parse(block)["scrape_configs"]
    config["kubernetes_sd_configs"] = [{"role": "pod", "namespaces": {"names": [namespace]}, **more}]
    return dict(config)

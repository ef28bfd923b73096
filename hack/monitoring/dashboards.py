"""The dashboards as Grafana reads them: files/dashboards."""

import json
from string import ascii_uppercase

from grafana_foundation_sdk.builders import dashboard as grafana
from grafana_foundation_sdk.builders import prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef

from hack.monitoring.panels import Dashboard, Panel
from hack.monitoring.queries import Scope

SHOWN = Scope('namespace="$namespace", job="$release"', "$__rate_interval")
SOURCE = DataSourceRef(type_val="prometheus", uid="$datasource")
WIDTH, HEIGHT = 12, 8


def _choice(name: str, query: str) -> grafana.QueryVariable:
    return grafana.QueryVariable(name).query(query).datasource(SOURCE)


def _panel(panel: Panel) -> timeseries.Panel:
    built = timeseries.Panel().title(panel.title).unit(panel.unit).datasource(SOURCE).span(WIDTH).height(HEIGHT).min(0)
    if panel.about:
        built.description(panel.about)
    for letter, query in zip(ascii_uppercase, panel.queries, strict=False):
        built.with_target(
            prometheus.Dataquery().expr(query.ask(SHOWN)).legend_format(query.legend).ref_id(letter).datasource(SOURCE)
        )
    return built


def text(dashboard: Dashboard) -> str:
    """The file of a dashboard."""
    built = grafana.Dashboard(dashboard.title).uid(f"dynamo-disagg-{dashboard.name}").tags(["dynamo"])
    built.refresh("30s").time("now-1h", "now").editable().tooltip(DashboardCursorSync.CROSSHAIR)
    built.with_variable(grafana.DatasourceVariable("datasource").type("prometheus").label("Prometheus"))
    built.with_variable(_choice("namespace", 'label_values(up{component="frontend"}, namespace)'))
    built.with_variable(_choice("release", 'label_values(up{component="frontend", namespace="$namespace"}, job)'))
    for panel in dashboard.panels:
        built.with_panel(_panel(panel))
    return json.dumps(built.build(), cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

"""The example dashboard uses only metrics and labels that the server has."""

import json
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from deepemo.http.metrics import ServerMetrics
from deepemo.serving.results import Reason

DASHBOARD = json.loads((Path(__file__).parents[2] / "docs" / "scale" / "grafana.json").read_text())
# Prometheus itself adds these.
SCRAPED = {"instance"}


def labels_of_metrics() -> dict[str, set[str]]:
    """The labels of each of the server's own metrics."""
    metrics = ServerMetrics()
    metrics.count_unreadable(Reason.TOO_LONG)
    metrics.count_request("GET", "/", 200, 0.1)
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            if sample.name.startswith("deepemo_") and not sample.name.endswith("_created"):
                found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_metric_and_label_of_the_dashboard_exists_and_no_histogram_is_left_out() -> None:
    known = labels_of_metrics()
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    queries += [variable["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"]
    asked: set[str] = set()
    for query in queries:
        (metric,) = set(re.findall(r"deepemo_\w+", query))
        assert metric in known, query
        grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
        assert grouped <= known[metric] | SCRAPED, query
        asked.add(metric)
    assert {name for name in known if name.endswith("_bucket")} <= asked


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24

"""Puts a run, and optionally an earlier one to compare with, into one self-contained HTML file."""

from __future__ import annotations

import dataclasses
import html
import importlib.resources
import json
import re

from pyconv.bench import markdown, sets, summary
from pyconv.bench.records import Run

_FILES = importlib.resources.files("pyconv.bench.report")


def render(run: Run, before: Run | None = None) -> str:
    page = _read("template.html")
    parts = {
        "TITLE": html.escape(f"pyconv performance: {run.suite}"),
        "METHOD": html.escape(markdown.method(run)),
        "STYLE": _read("style.css"),
        "RUN": _embedded(
            dataclasses.asdict(run)
            | {
                "scores": _scores(run),
                "onlookers": summary.onlookers(run),
                "control": str(summary.control(run.results) or ""),
                "share": summary.cpu_share(run.results),
                "given": summary.given_statements(run),
            }
        ),
        "BEFORE": _embedded(dataclasses.asdict(before) if before is not None else None),
        "SCRIPT": _read("charts.js") + _read("report.js"),
    }
    return re.sub(r"\{\{([A-Z]+)\}\}", lambda match: parts[match[1]], page)


def _read(name: str) -> str:
    return _FILES.joinpath(name).read_text(encoding="utf-8")


def _embedded(document: object) -> str:
    """JSON inside a script element: no `</` may end the element early."""
    return json.dumps(document, separators=(",", ":")).replace("</", "<\\/")


def _scores(run: Run) -> list[dict[str, object]]:
    return [
        {
            "title": score.target.title,
            "threads": score.target.threads,
            "rows": score.rows,
            "mean": score.mean,
            "worst": score.worst,
            "problem": score.worst_problem,
            "asked_mean": score.target.mean,
            "asked_worst": score.target.worst,
            "reached": score.reached,
        }
        for score in sets.scores(run)
    ]

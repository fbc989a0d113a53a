"""README claims only what the committed run says."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pyconv.bench import markdown, readme, records, sets
from pyconv.bench.problem_string import format_case, parse_case
from pyconv.bench.report import chart
from pyconv.bench.stats import Ratio

ROOT = Path(__file__).resolve().parent.parent


def test_the_speed_section_is_what_the_committed_run_says():
    text = (ROOT / "README.md").read_text("utf-8")
    run_file = readme.named_run(text)
    if run_file is None:
        pytest.skip("README publishes no figures")
    run = records.load(ROOT / run_file)
    assert run.complete
    assert not run.faults
    assert text == readme.update(text, run)
    drawn = (ROOT / run_file).with_suffix(".svg")
    assert f"]({drawn.relative_to(ROOT).as_posix()})" in text
    assert drawn.read_text("utf-8") == chart.draw(run)


def test_the_chart_has_a_bar_and_a_number_for_each_set():
    text = (ROOT / "README.md").read_text("utf-8")
    run = records.load(ROOT / readme.named_run(text))
    root = ElementTree.fromstring(chart.draw(run))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for score in sets.scores(run):
        assert f"{score.mean:.2f}x" in texts
        assert any(line.startswith(score.target.title) for line in texts)
    roles = [element.get("class") for element in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert roles.count("pyx-output") == sum(score.mean >= 1 for score in sets.scores(run))
    assert roles.count("pyx-lost") == sum(score.mean < 1 for score in sets.scores(run))


RUNS = sorted((ROOT / "benchmarks" / "results").glob("*.json"))


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_every_published_table_is_what_its_run_says(path):
    """docs/performance.md shows these tables; each names its date, machine and command."""
    run = records.load(path)
    assert run.complete
    assert path.with_suffix(".md").read_text("utf-8") == markdown.render(run)
    shown = (ROOT / "docs" / "performance.md").read_text("utf-8")
    assert f"{{include}} ../benchmarks/results/{path.stem}.md" in shown


def test_performance_page_has_no_figure_of_its_own():
    """Every number of the page comes from an included table; its own text has none to go stale."""
    assert RUNS
    text = (ROOT / "docs" / "performance.md").read_text("utf-8")
    own = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", "", text, flags=re.DOTALL)
    assert not re.findall(r"\d+\.\d+|\d+ ?(?:%|(?:x|us|ms|GFLOP)\b)", own)


def test_a_changed_figure_is_noticed_and_written_again():
    case = parse_case("c8h8w8_k8r1s1")
    row = records.CaseResult(
        format_case(case), "net", "a", "test", "conv", 2, case.kind, case.dtype, 1, 1, 1,
        case.flops, case.flops, case.bytes_moved, [],
        [records.Comparison("pyconv-layer", "torch", "best", Ratio(2.5, 2.4, 2.6))],
    )  # fmt: skip
    run = records.Run("layers", "make bench", "2026-01-02T03:04", {"processor": "P"}, {"numpy": "2"}, {}, {})
    run.results.append(row)
    text = readme.update("a\n<!-- speed: run.json -->\nold\n<!-- end of speed -->\nb\n", run)
    assert readme.named_run(text) == "run.json"
    assert "| all convolutions, layer | best | 1 | 1 | 2.50x | 2.50x |" in text
    assert "Measured 2026-01-02 on P" in text
    assert text.startswith("a\n")
    assert text.endswith("<!-- end of speed -->\nb\n")
    assert readme.update(text, run) == text
    assert readme.update(text.replace("2.50x", "9.50x"), run) == text


def test_a_document_without_markers_is_refused():
    assert readme.named_run("# title") is None
    with pytest.raises(ValueError, match="no section between"):
        readme.update("# title", records.Run("layers", "", "", {}, {}, {}, {}))

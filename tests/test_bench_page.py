"""The report in a real browser, offline: filters, sorting and comparing change what is shown, correctly."""

import dataclasses
import math

import browser
import pytest
from bench_runs import LAYER_TORCH, result_of, run_of

from pyconv.bench.records import Measurement
from pyconv.bench.report import html

FUNCTION_TORCH = ("pyconv-function", "torch", "best")
RATIOS = {
    "n1c8h8w8_k8r1s1_f32": 2.0,
    "n1c64h9w9_k64r3s3p1_f32": 4.0,
    "n1c16h9w9_k16r3s3p1g16_f32": 0.5,
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """(browser, path of a report): three layers at one thread and one at two, a pooling, memory, a sweep."""
    path = browser.find()
    if path is None:
        pytest.skip("no Chromium on this machine")
    rows = [result_of(problem, {LAYER_TORCH: ratio}) for problem, ratio in RATIOS.items()]
    rows.append(result_of("n1c8h8w8_k8r1s1_f32", {LAYER_TORCH: 8.0}, threads=2))
    rows.append(result_of("n1c8h8w8_maxr2s2u2_f32", {FUNCTION_TORCH: 16.0}))
    for batch in (1, 2):
        labels = {"network": "scaling: batch", "name": str(batch)}
        rows.append(result_of(f"n{batch}c8h8w8_k8r1s1_f32", {LAYER_TORCH: 1.0}, batch * 1e-3, **labels))
    run = run_of(*rows)
    run.measurements.append(Measurement("pyconv: an image", 2.0, "MB", at_most=17.0))
    run.measurements.append(Measurement("torch: an image", 900.0, "MB"))
    before = run_of(*(dataclasses.replace(row, comparisons=row.comparisons) for row in rows[1:3]))
    before.results[0] = result_of("n1c64h9w9_k64r3s3p1_f32", {LAYER_TORCH: 5.0})
    file = tmp_path_factory.mktemp("report") / "report.html"
    file.write_text(html.render(run, before), encoding="utf-8")
    chromium = browser.Browser(path)
    yield chromium, file
    chromium.close()


@pytest.fixture
def page(pages):
    chromium, file = pages
    chromium.open(file)
    return chromium


def choose(page, name, value):
    page.run(
        f"(() => {{ const e = document.getElementById('{name}'); e.value = '{value}';"
        "e.dispatchEvent(new Event('input', { bubbles: true })); })()"
    )


def rows(page, section):
    """The cells of a table's body."""
    return page.run(
        f"[...document.querySelectorAll('#{section} tbody tr')]"
        ".map(row => [...row.cells].map(cell => cell.textContent))"
    )


def tiles(page):
    return page.run("[...document.querySelectorAll('.tile b')].map(e => e.textContent)")


def test_the_page_asks_for_nothing_and_says_what_it_shows(page):
    assert page.errors() == []
    assert {address.split(":")[0] for address in page.requests()} <= {"file"}
    sections = page.run("[...document.querySelectorAll('h2')].map(e => e.textContent)")
    assert {"Roofline", "Time against size", "Scaling", "Small calls", "First call against steady state"} <= {
        *sections
    }
    facts = page.run("document.getElementById('facts').textContent")
    assert "geometric mean 1.0000" in facts
    assert page.run("document.querySelectorAll('#memory rect').length") == 2
    assert page.run("document.querySelectorAll('#scaling polyline').length") == 2
    assert "900 MB" in page.run("document.getElementById('memory').textContent")


def test_filters_change_the_rows_and_the_mean(page):
    everything = [*RATIOS.values(), 16.0, 1.0, 1.0]  # a pooling shows the function
    mean = math.exp(sum(map(math.log, everything)) / len(everything))
    assert tiles(page)[:2] == [f"{mean:.2f}x", "0.50x"]
    assert len(rows(page, "table")) == 6
    choose(page, "kind", "dense 3x3")
    assert tiles(page)[0] == "4.00x"
    assert [row[0] for row in rows(page, "table")] == ["n1c64h9w9_k64r3s3p1_f32"]
    choose(page, "kind", "")
    choose(page, "search", "g16")
    assert tiles(page)[0] == "0.50x"
    assert page.run("document.querySelectorAll('#bars rect.slow').length") == 1
    choose(page, "search", "")
    choose(page, "threads", "2")
    assert tiles(page)[:2] == ["8.00x", "8.00x"]
    assert page.errors() == []


def test_a_click_sorts_and_another_turns_the_order(page):
    headings = page.run("[...document.querySelectorAll('#table th')].map(e => e.textContent)")
    column = headings.index("ratio")
    page.click(f"#table th:nth-child({column + 1})")
    ratios = [float(row[column]) for row in rows(page, "table")]
    assert ratios == sorted(ratios)
    page.click(f"#table th:nth-child({column + 1})")
    assert [float(row[column]) for row in rows(page, "table")] == sorted(ratios, reverse=True)


def test_an_earlier_run_is_compared(page):
    (slower, same) = rows(page, "changes")
    assert slower[1:] == ["5.00", "4.00", "0.800", "slower"]
    assert same[1:] == ["0.50", "0.50", "1.000", "noise"]
    assert "1 slower and 0 faster" in page.run("document.querySelector('#changes p').textContent")


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_the_page_fits_its_window(page, width):
    """Wide tables and charts scroll in their own box."""
    page._send(
        "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False
    )
    try:
        assert page.run("document.documentElement.scrollWidth") <= width
    finally:
        page._send("Emulation.clearDeviceMetricsOverride")


def test_both_colour_schemes_set_ink_against_the_page(page):
    colours = []
    for scheme in ("light", "dark"):
        page._send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        colours.append(page.run("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))"))
    (light_ink, light_page), (dark_ink, dark_page) = colours
    assert light_page == "rgb(255, 255, 255)"
    assert dark_page not in (light_page, dark_ink)
    assert light_ink != dark_ink

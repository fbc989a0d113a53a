"""From measured rows to what people read: scores, Markdown, HTML, comparisons and the command line."""

import dataclasses
import json
import math
import re
import signal
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench_runs import LAYER_TORCH, result_of, run_of

from pyconv.__main__ import main
from pyconv.bench import compare, engine, machine, markdown, records, rivals, run, sets, summary
from pyconv.bench.problem_string import parse_case
from pyconv.bench.records import Entry, Measurement
from pyconv.bench.report import figures, html
from pyconv.bench.rivals.base import Given, Prepared, Rival
from pyconv.bench.stats import Ratio
from pyconv.bench.suites import Options


def test_scores_take_the_mean_the_worst_and_the_faster_engine():
    ratios = {
        LAYER_TORCH: 4.0,
        ("pyconv-layer", "onnxruntime", "best"): 1.2,
        ("pyconv-layer", "openvino", "best"): 3.0,
    }
    scores = sets.scores(
        run_of(result_of("c64h8w8_k64r3s3", ratios), result_of("c8h8w8_k8r1s1", {LAYER_TORCH: 1.0}))
    )
    found = {score.target.title: score for score in scores}
    everything = found["all convolutions, layer"]
    assert (everything.rows, everything.worst, everything.worst_problem) == (2, 1.0, "c8h8w8_k8r1s1")
    assert everything.mean == pytest.approx(2.0)
    assert everything.reached
    assert found["dense 3x3, >= 64 channels, layer"].rows == 1
    engines = found["layer against onnxruntime and openvino"]
    assert engines.mean == pytest.approx(1.2)
    assert not engines.reached
    assert sets.scores(run_of(result_of("c8h8w8_k8r1s1", ratios), suite="custom")) == []


def test_markdown_shows_rows_scores_controls_and_faults():
    measured = run_of(result_of("c64h8w8_k64r3s3", {LAYER_TORCH: 2.5}, seconds=5e-5))
    measured.measurements += [
        Measurement("peak", 3.0, "MB", "how", at_most=4.0),
        Measurement("gone", -1.0, "MB", "why"),
    ]
    measured.faults.append("something absurd")
    text = markdown.render(measured)
    gflops = parse_case("c64h8w8_k64r3s3").flops / 5e-5 / 1e9
    for expected in (
        "| 2.50 [2.48, 2.52] |", f"| {gflops:.1f} | {gflops:.0f} % |", "something absurd", "A/A control",
        "absent: jax (gone)", "| peak | 3 MB | at most 4 | how |", "| gone | not measured |  | why |",
        "50.00 us",
    ):  # fmt: skip
        assert expected in text


def test_markdown_says_when_the_machine_was_busy():
    row = result_of("c8h8w8_k8r1s1", {LAYER_TORCH: 1.0})
    for share, words in ((0.5, "0.50; OTHER PROCESSES"), (1.02, "blocks: 1.00\n")):
        entries = [dataclasses.replace(entry, cpu_per_wall=share) for entry in row.entries]
        assert words in markdown.render(run_of(dataclasses.replace(row, entries=entries)))


def test_the_method_names_the_placements_of_this_run():
    measured = run_of(result_of("c8h8w8_k8r1s1", {LAYER_TORCH: 1.0}))
    assert "placements" not in markdown.method(measured)
    measured.method = {"placements": 24}
    assert "over up to 24 placements" in html.render(measured)


def test_markdown_says_what_else_ran():
    measured = run_of(result_of("c8h8w8_k8r1s1", {LAYER_TORCH: 1.0}))
    assert "other processes used" not in markdown.render(measured)
    measured.others, measured.stolen = 0.012, 0.003
    assert "other processes used 1.2 % of the CPUs' time, other machines 0.3 %\n" in markdown.render(measured)
    measured.others = 0.2
    assert "TOO MUCH TO BELIEVE" in markdown.render(measured)


def test_onlookers_are_other_processes_and_not_this_one(monkeypatch):
    """Of 10 seconds on two CPUs: 8 busy, 5 of them ours, 1 stolen."""
    readings = iter([(100.0, 40.0, 3.0, 50.0), (108.0, 45.0, 4.0, 60.0)])
    monkeypatch.setattr(machine, "_cpu_seconds", lambda: next(readings))
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 2)
    assert machine.Onlookers().shares() == (pytest.approx(3 / 20), pytest.approx(1 / 20))
    monkeypatch.setattr(machine, "_cpu_seconds", lambda: None)
    assert machine.Onlookers().shares() is None


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="read from Linux's /proc")
def test_the_system_counts_at_least_what_this_process_used():
    before, end = machine._cpu_seconds(), time.process_time() + 0.2
    while time.process_time() < end:
        pass
    everybody, mine, stolen, wall = (b - a for a, b in zip(before, machine._cpu_seconds(), strict=True))
    assert mine == pytest.approx(0.2, abs=0.05)
    assert everybody >= mine - 0.05  # the system counts in ticks of 10 ms
    assert stolen >= 0
    assert wall >= 0.2


def test_markdown_says_why_a_row_has_no_figure():
    row = result_of("c8h8w8_k8r1s1", {LAYER_TORCH: 1.0})
    entries = [
        Entry("pyconv-layer", "nchw", "wrong", "error 1e6"),
        Entry("torch", "nchw", "ok", seconds=1e-3),
    ]
    text = markdown.render(run_of(dataclasses.replace(row, entries=entries, comparisons=[])))
    assert "wrong: error 1e6" in text


def test_network_totals_count_multiplicities():
    rows = [
        result_of("c8h8w8_k8r1s1", {LAYER_TORCH: 2.0}, seconds=1e-3, count=3),
        result_of("c8h9w9_k8r1s1", {LAYER_TORCH: 2.0}, seconds=2e-3),
    ]
    (total,) = summary.network_totals(run_of(*rows), "pyconv-layer", "torch")
    assert (total.network, total.threads, total.layers) == ("net", 1, 4)
    assert (total.ours, total.theirs) == (pytest.approx(5e-3), pytest.approx(5e-3))
    # Two layers of relative error e, 3/5 and 2/5 of the time: e * sqrt(9 + 4) / 5.
    error = math.log(1.01 / 0.99) / 2
    assert total.ratio.high == pytest.approx(math.exp(error * math.sqrt(13) / 5), rel=1e-6)
    assert total.ratio.low == pytest.approx(1 / total.ratio.high)


def test_the_control_says_how_far_it_is_from_one():
    ratios = (0.98, 1.0, 1.005, 1.02)
    rows = [result_of("c8h8w8_k8r1s1", {LAYER_TORCH: 1.0}, control=Ratio(v, v, v)) for v in ratios]
    control = summary.control(rows)
    assert (control.rows, control.inside) == (4, 2)
    assert control.worst == pytest.approx(0.02)
    assert control.mean == pytest.approx((0.98 * 1.0 * 1.005 * 1.02) ** 0.25)
    assert "2 of 4 rows within 1 %, worst 2.00 %" in str(control)
    assert str(control) in markdown.render(run_of(*rows))
    assert summary.control([]) is None


def test_what_was_given_and_what_was_not_timed_is_said():
    row = result_of("c8h8w8_k8r1s1", {LAYER_TORCH: 1.0})
    entries = [
        *row.entries,
        Entry("jax", "nhwc", "wrong", "error 1e6"),
        Entry("ncnn", "nchw", "ok", given=Given("nchw", "packed once", "a note", 2, "float32 throughout")),
    ]
    run = run_of(dataclasses.replace(row, entries=entries))
    text = markdown.render(run)
    assert "| jax/nhwc | wrong | error 1e6 | `c8h8w8_k8r1s1` |" in text
    assert "| ncnn | nchw | packed once | 2 | float32 throughout | a note |" in text
    run.results.append(run.results[0])
    assert ("jax/nhwc", "wrong", "error 1e6", "2 rows") in summary.not_timed(run)


def test_html_is_self_contained_and_carries_the_run():
    hostile = result_of("c8h8w8_k8r1s1", {LAYER_TORCH: 2.0}, name="</script><b>{{RUN}}")
    page = html.render(run_of(hostile), before=run_of(hostile))
    assert not re.search(r"(src|href)\s*=|@import|url\(", page)
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}
    assert "{{STYLE}}" not in page
    assert page.count("</script>") == 3
    embedded = re.search(r'id="run">(.*?)</script>', page, re.DOTALL)[1]
    document = json.loads(embedded)
    assert document["results"][0]["name"] == "</script><b>{{RUN}}"
    assert document["scores"][0]["rows"] == 1


def test_a_change_counts_only_beyond_the_noise():
    problems = ("c8h8w8_k8r1s1", "c8h9w9_k8r1s1", "c8h7w7_k8r1s1", "c8h6w6_k8r1s1")
    before = run_of(*(result_of(problem, {LAYER_TORCH: 2.0}) for problem in problems))
    after = run_of(
        *(result_of(p, {LAYER_TORCH: r}) for p, r in zip(problems, (1.5, 1.97, 2.04, 3.0), strict=True))
    )
    after.results.append(result_of("c9h9w9_k8r1s1", {LAYER_TORCH: 1.0}))
    changes = compare.compare(before, after)
    assert [(change.problem, change.is_regression, change.clear) for change in changes] == [
        (problems[0], True, True), (problems[1], False, False), (problems[2], False, False),
        (problems[3], False, True),
    ]  # fmt: skip
    text = compare.render(changes)
    assert "SLOWER  2.00 -> 1.50" in text
    size = (2.0 / 1.5 * 2.0 / 1.97 * 2.04 / 2.0 * 3.0 / 2.0) ** 0.25 - 1
    assert f"typical size {100 * size:.1f} %" in text
    assert "faster  2.00 -> 3.00" in text
    assert "no change beyond" in compare.render(changes[1:3])
    assert "no comparison in common" in compare.render([])


def test_the_command_compares_two_files_and_fails_on_a_regression(tmp_path, capsys):
    for name, ratio in (("before", 2.0), ("after", 1.0)):
        records.save(run_of(result_of("c8h8w8_k8r1s1", {LAYER_TORCH: ratio})), tmp_path / f"{name}.json")
    paths = [str(tmp_path / "before.json"), str(tmp_path / "after.json")]
    assert main(["bench", "--compare", *paths]) == 1
    assert "SLOWER" in capsys.readouterr().out
    assert main(["bench", "--compare", *reversed(paths)]) == 0


def test_a_run_writes_what_its_file_says(monkeypatch, tmp_path):
    """The file's figures have six digits: 1.1349999999 is 1.135 there, and 1.14 in a table, not 1.13."""
    measured = run_of(result_of("c8h8w8_k8r1s1", {LAYER_TORCH: 1.1349999999}))
    monkeypatch.setattr(run, "run", lambda *_: measured)
    assert main(["bench", "quick", "--output", str(tmp_path), "--name", "rounded"]) == 0
    written = (tmp_path / "rounded.md").read_text(encoding="utf-8")
    assert "1.14" in written
    assert main(["bench", "--render", str(tmp_path / "rounded.json")]) == 0
    assert (tmp_path / "rounded.md").read_text(encoding="utf-8") == written


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bench", "no-such-suite"], "cannot read the problem string"),
        (["bench", "quick", "--layout", "nhcw"], "--layout must be of nchw, nhwc"),
        (["bench", "quick", "--rivals", "nobody"], "unknown rival 'nobody'"),
        (["bench", "networks", "--network", "lenet"], "unknown network 'lenet'"),
        (["bench", "--model", "model.pt"], "module:factory"),
        (["plan", "nonsense"], "nonsense"),
    ],
)
def test_a_mistyped_command_is_told_the_rule(arguments, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("command", ["info", "demo", "bench", "plan"])
def test_help_teaches_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"python -m pyconv {command}" in capsys.readouterr().out


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_what_it_has_and_can_go_on(stop, monkeypatch, tmp_path):
    calls, interrupted = [], []

    def prepare(case, operands, setup):
        if case not in calls[-1:]:  # each one is prepared for every placement
            calls.append(case)
        if len(calls) == 3 and not interrupted:
            interrupted.append(case)
            signal.raise_signal(stop)
        values = engine.make_truth(case, operands).values.astype(case.dtype)
        return Prepared(lambda: values, lambda y: y, Given(setup.layout, "none", threads=setup.threads))

    monkeypatch.setattr(rivals, "find", lambda name: Rival(name, prepare, lambda n: n, layouts=("nchw",)))
    cases = tuple(parse_case(f"c2h{size}w8_k2r3s3") for size in (8, 9, 10, 11))
    options = Options(
        ("custom",), cases, rivals=("pyconv-layer",), threads=(1,), seconds=0.05, resume=True, output=tmp_path
    )
    # A shell's background jobs inherit an ignored SIGINT.
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        finished = run.run(options, "test")
    finally:
        signal.signal(signal.SIGINT, inherited)
    assert not finished.complete
    assert [row.problem for row in finished.results] == ["n1c2h8w8_k2r3s3_f32", "n1c2h9w8_k2r3s3_f32"]
    assert "incomplete" in markdown.render(finished)
    saved = options.stem.with_suffix(".json")
    records.save(finished, saved)
    resumed = run.run(options, "test")
    assert resumed.complete
    assert [case.in_size[0] for case in calls] == [8, 9, 10, 11]
    assert interrupted == [calls[2]]
    assert [parse_case(row.problem).in_size[0] for row in resumed.results] == [8, 9, 10, 11]
    finished.versions = {"numpy": "0"}
    records.save(finished, saved)
    with pytest.raises(ValueError, match="--resume needs the same versions"):
        run.run(options, "test")


def test_figures_are_written_for_what_was_measured(tmp_path):
    pytest.importorskip("matplotlib")
    measured = run_of(
        result_of("c8h8w8_k8r1s1", {LAYER_TORCH: 2.0}),
        result_of("c8h9w9_k8r3s3", {LAYER_TORCH: 0.5}),
        *(
            result_of(f"n{n}c8h9w9_k8r3s3", {LAYER_TORCH: 1.0}, network="scaling: batch", name=str(n))
            for n in (1, 2)
        ),
        suite="layers networks overhead",
    )
    measured.measurements += [Measurement("pyconv: a", 1.0, "MB"), Measurement("torch: a", 9.0, "MB")]
    written = figures.write(measured, tmp_path, "run")
    assert [path.name for path in written] == [
        f"run-{name}.{suffix}" for name in figures.FIGURES for suffix in ("svg", "png")
    ]
    assert all(path.stat().st_size > 5000 for path in written)
    for path in written[::2]:
        assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert "pyconv: a" not in (tmp_path / "run-memory.svg").read_text()
    assert figures.write(run_of(), tmp_path, "empty") == []

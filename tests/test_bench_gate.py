"""The gate fails on a doctored run and on nothing less."""

import dataclasses
from pathlib import Path

import pytest

from pyconv.__main__ import main
from pyconv.bench import compare, gate, records, run
from pyconv.bench.stats import Ratio
from pyconv.bench.suites import Options

COMMITTED = Path(__file__).resolve().parent.parent / "benchmarks" / "results" / "quick.json"
ROWS = 12


def doctored(source, factor, rows=1):
    """`source` with the ratios against torch of its first rows multiplied."""
    results = []
    for number, result in enumerate(source.results):
        comparisons = [
            dataclasses.replace(
                item, ratio=Ratio(*(factor * value for value in dataclasses.astuple(item.ratio)))
            )
            if number < rows and item.rival == "torch"
            else item
            for item in result.comparisons
        ]
        results.append(dataclasses.replace(result, comparisons=comparisons))
    return dataclasses.replace(source, results=results)


@pytest.fixture(scope="module")
def committed():
    """The first rows of the committed run, with intervals as narrow as a quiet machine's."""
    whole = records.load(COMMITTED)
    results = []
    for result in [one for one in whole.results if one.threads == 1][:ROWS]:
        comparisons = [
            dataclasses.replace(
                item, ratio=Ratio(item.ratio.value, 0.99 * item.ratio.value, 1.01 * item.ratio.value)
            )
            for item in result.comparisons
        ]
        results.append(dataclasses.replace(result, comparisons=comparisons))
    return dataclasses.replace(whole, results=results, faults=[])


def never(options):
    raise AssertionError("nothing looked slower")


def test_the_same_run_and_one_within_the_noise_pass(committed):
    assert gate.check(committed, committed, never, Options()) == 0
    assert gate.check(committed, doctored(committed, 1 - 0.9 * compare.NOISE_FLOOR), never, Options()) == 0
    assert gate.check(committed, doctored(committed, 1.5), never, Options()) == 0


def test_a_row_that_fell_twice_fails(committed, capsys):
    slow, asked = doctored(committed, 0.9), []

    def measure(options):
        asked.append(options)
        return slow

    assert gate.check(committed, slow, measure, Options(suites=("quick",))) == 1
    assert "regression gate: FAILED" in capsys.readouterr().out
    (options,) = asked
    first = committed.results[0]
    assert options.suites == ("custom",)
    assert [case.batch for case in options.cases] == [first.batch]
    assert options.threads == (1,)
    assert set(options.rivals) == {entry.rival for result in committed.results for entry in result.entries}


def test_a_row_that_recovers_passes(committed, capsys):
    assert gate.check(committed, doctored(committed, 0.9), lambda options: committed, Options()) == 0
    assert "measuring those rows again" in capsys.readouterr().out


def test_a_small_loss_everywhere_fails(committed):
    """Four per cent on each row, hidden by wide intervals, is still a loss."""
    wide = doctored(committed, 1.0)
    for result in wide.results:
        for number, item in enumerate(result.comparisons):
            ratio = Ratio(item.ratio.value, item.ratio.value / 2, item.ratio.value * 2)
            result.comparisons[number] = dataclasses.replace(item, ratio=ratio)
    assert gate.check(wide, doctored(wide, 0.96, rows=ROWS), never, Options()) == 1
    assert gate.check(wide, doctored(wide, 0.98, rows=ROWS), never, Options()) == 0


def test_another_machine_is_no_baseline(committed):
    other = dataclasses.replace(committed, machine={"processor": "another"})
    with pytest.raises(ValueError, match="another processor"):
        gate.check(other, committed, never, Options())
    ceilings = dataclasses.replace(committed.ceilings, isa="avx2")
    with pytest.raises(ValueError, match="another instruction set"):
        gate.check(dataclasses.replace(committed, ceilings=ceilings), committed, never, Options())
    with pytest.raises(ValueError, match="another method"):
        gate.check(dataclasses.replace(committed, method={"placements": 1}), committed, never, Options())
    with pytest.raises(ValueError, match="in common"):
        gate.check(dataclasses.replace(committed, results=[]), committed, never, Options())


def test_the_command_fails_on_a_doctored_baseline(committed, monkeypatch, tmp_path, capsys):
    """What `make gate` calls: the committed run raised by a quarter is out of reach."""
    monkeypatch.setattr(run, "run", lambda options, command: committed)
    for factor, status in ((1.25, 1), (1.0, 0)):
        path = tmp_path / f"baseline{factor}.json"
        records.save(doctored(committed, factor, rows=3), path)
        arguments = ["bench", "quick", "--baseline", str(path), "--output", str(tmp_path)]
        assert main(arguments) == status
        capsys.readouterr()

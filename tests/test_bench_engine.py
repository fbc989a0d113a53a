"""What the engine believes: right results are timed, wrong ones shown as wrong, absurd speeds are faults."""

import dataclasses
import inspect
import math
import sys
import time

import numpy as np
import pytest

from pyconv.bench import data, engine, placement, records, rivals, run
from pyconv.bench.harness import Method
from pyconv.bench.problem_string import parse_case
from pyconv.bench.records import Ceilings, Run
from pyconv.bench.rivals.base import Given, Prepared, Rival, Unsupported
from pyconv.bench.rivals.pyconv_layer_rival import lay_out
from pyconv.bench.rivals.torch_rival import to_tensor
from pyconv.bench.suites import Options

torch = pytest.importorskip("torch")

CASES = [
    "n3c6h9w8_k4r3s2p1x2u2x1_f32_bias",
    "c4h9w9_k8r3s3p2l2g4",
    "c5w40_k7s9p4u3_f64_bias",
    "n2c3d5h6w4_k2t2r3s3p1_bias",
    "c3h11w10_maxr3s3p1u2_ceil",
    "c3h11w10_avgr3s3p1u2_ceil",
    "c3h11w10_avgr3s3p1u2_ceil_nopad",
    "n3c2d6h7w5_avgt2r3s2u2",
    "c2w23_maxs4p2u3l2",
]
QUICK = Method(samples=4, min_samples=4, case_seconds=0.2)


@pytest.mark.parametrize("text", CASES)
def test_the_truth_agrees_with_torch_and_notices_one_wrong_element(text):
    case = parse_case(text)
    operands = data.make_data(case)
    truth = data.make_truth(case, operands)
    torch_rival = rivals.find("torch")
    ready = torch_rival.prepare(case, operands, rivals.Setup("nchw", 1))
    result = ready.to_numpy(ready.call())
    assert truth.error(result) <= data.TOLERANCE
    assert truth.values.shape == (len(truth.images), *result.shape[1:2], len(truth.planes), *result.shape[3:])
    for broken in (np.nan, result[0, 0].flat[0] * 1.01 + 0.01):
        damaged = result.copy()
        damaged[0, 0].flat[0] = broken
        assert truth.error(damaged) > data.TOLERANCE
    assert truth.error(result[:, :, :-1]) == math.inf


def test_large_cases_are_checked_on_a_sample_of_planes_with_both_ends():
    case = parse_case("n8c256h200w200_k256r3s3p1")
    planes = data._planes(case, images=2)
    assert planes[0] == 0
    assert planes[-1] == 199
    assert 2 <= len(planes) < 200
    assert planes == sorted(set(planes))


def numpy_rival(name, change=lambda y: y, algorithm="", layouts=("nchw",)):
    """A rival that answers with the truth, changed."""

    def prepare(case, operands, setup):
        result = change(data.make_truth(case, operands).values.astype(case.dtype))
        return Prepared(
            result.copy, lambda y: y, Given(setup.layout, "none", threads=setup.threads), algorithm
        )

    return Rival(name, prepare, lambda threads: threads, layouts=layouts)


def refusing(case, operands, setup):
    raise Unsupported("not today")


def raising(case, operands, setup):
    raise RuntimeError("broken")


@pytest.fixture(scope="module")
def result():
    contestants = (
        numpy_rival("pyconv-layer", layouts=("nchw", "nhwc")),
        numpy_rival("honest"),
        numpy_rival("wrong", lambda y: y + 0.01),
        numpy_rival("short", lambda y: y[:, :1]),
        Rival("refusing", refusing, lambda threads: threads, layouts=("nchw",)),
        Rival("raising", raising, lambda threads: threads, layouts=("nchw",)),
        Rival("unpinned", refusing, lambda threads: threads + 1, layouts=("nchw",)),
    )
    conditions = engine.Conditions(1, ("nchw", "nhwc"), contestants, QUICK)
    return engine.measure(parse_case("c4h8w8_k4r3s3p1_bias"), conditions)


def test_only_right_results_are_timed(result):
    status = {entry.contestant: entry.status for entry in result.entries}
    assert status == {
        "pyconv-layer/nchw": "ok",
        "pyconv-layer/nhwc": "ok",
        "honest/nchw": "ok",
        "wrong/nchw": "wrong",
        "short/nchw": "wrong",
        "refusing/nchw": "refused",
        "raising/nchw": "failed",
        "unpinned/nchw": "failed",
    }
    assert all((entry.seconds is not None) == (entry.status == "ok") for entry in result.entries)
    details = {entry.rival: entry.detail for entry in result.entries}
    assert details["refusing"] == "not today"
    assert details["raising"] == "RuntimeError: broken"
    assert details["unpinned"] == "asked for 1 threads, reports 2"


def test_a_contestant_is_prepared_and_checked_on_every_placement():
    """Wrong on one placement is wrong; what takes long to prepare stays where it is."""
    prepared = []

    def make(name, last_offset=4096, seconds=0.0):
        def prepare(case, operands, setup):
            time.sleep(seconds)
            prepared.append((name, setup.offset))
            result = data.make_truth(case, operands).values.astype(case.dtype)
            wrong = setup.offset > last_offset
            return Prepared(
                lambda: result + wrong, lambda y: y, Given(setup.layout, "none", threads=setup.threads)
            )

        return Rival(name, prepare, lambda threads: threads, layouts=("nchw",))

    method = dataclasses.replace(QUICK, samples=16, placements=4, case_seconds=1.0)
    slow = engine.LONGEST_PREPARATION + 0.01
    contestants = (make("pyconv-layer"), make("unlucky", 2047), make("compiled", seconds=slow))
    found = engine.measure(
        parse_case("c4h8w8_k4r3s3p1_bias"), engine.Conditions(1, ("nchw",), contestants, method)
    )
    entries = {entry.rival: entry for entry in found.entries}
    assert entries["unlucky"].status == "wrong"
    assert entries["unlucky"].seconds is None
    assert found.find("pyconv-layer", "unlucky") is None
    assert entries["pyconv-layer"].placements == 4
    assert entries["pyconv-layer"].placement_spread >= 1
    assert entries["compiled"].prepare_s > engine.LONGEST_PREPARATION
    offsets = [placement.offset(index, 4) for index in range(4)]
    for name, seen in (("pyconv-layer", offsets), ("unlucky", offsets[:3]), ("compiled", offsets[:1])):
        assert [offset for who, offset in prepared if who == name] == seen
    assert [offset // 1024 for offset in offsets] == [0, 1, 2, 3]
    assert {offset % 64 for offset in offsets} == {0, 16, 32, 48}


@pytest.mark.parametrize("text", ["n2c5h7w6_k3r3s3", "c1d3h4w5_k1t1r1s1_f64", "n2c3w9_k2s3"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_operands_begin_where_they_are_asked_to(text, layout):
    x = data.make_data(parse_case(text)).input
    setup = rivals.Setup(layout, 1, offset=1040)
    array = lay_out(x, setup)
    assert np.array_equal(array, x)
    assert array.ctypes.data % data.PAGE == 1040
    assert np.moveaxis(array, 1, -1).flags.c_contiguous if layout == "nhwc" else array.flags.c_contiguous
    if x.ndim == 3 and layout == "nhwc":
        with pytest.raises(Unsupported, match="no channels-last format for 1-D"):
            to_tensor(x, setup)
        return
    tensor = to_tensor(x, setup)
    assert np.array_equal(tensor.numpy(), x)
    assert tensor.data_ptr() % data.PAGE == 1024  # what torch allocates begins at multiples of 64
    formats = {"nchw": torch.contiguous_format, ("nhwc", 4): torch.channels_last}
    wanted = formats.get(layout) or formats.get((layout, x.ndim), torch.channels_last_3d)
    assert tensor.is_contiguous(memory_format=wanted)
    assert tensor.stride() == torch.from_numpy(x).clone().contiguous(memory_format=wanted).stride()


def test_comparisons_name_both_sides_and_the_layout(result):
    keys = {(item.subject, item.rival, item.layout) for item in result.comparisons}
    assert keys == {("pyconv-layer", "honest", "nchw"), ("pyconv-layer", "honest", "best")}
    best, fastest = result.find("pyconv-layer", "honest"), result.fastest("pyconv-layer")
    assert best.value == pytest.approx(result.fastest("honest").seconds / fastest.seconds)
    assert result.control is not None


def test_a_result_survives_json(result, tmp_path):
    run = Run("test", "pytest", "2026-01-01", {"cpus": "1"}, {}, {"x": "absent"}, {"samples": 4.0})
    run.ceilings = Ceilings({"float32": 100.0}, 20.0, "avx2")
    run.results.append(result)
    run.measurements.append(records.Measurement("memory", 1.5, "MB"))
    records.save(run, tmp_path / "run.json")
    again = records.load(tmp_path / "run.json")
    before, after = (one.results[0].find("pyconv-layer", "honest") for one in (run, again))
    assert after.value == pytest.approx(before.value, rel=1e-5)  # six digits are kept
    records.save(again, tmp_path / "again.json")
    assert records.load(tmp_path / "again.json") == again
    assert (again.ceilings, again.measurements, again.absent) == (run.ceilings, run.measurements, run.absent)
    (tmp_path / "old.json").write_text('{"schema": 0}')
    with pytest.raises(ValueError, match="schema must be 1; got 0"):
        records.load(tmp_path / "old.json")


def test_a_speed_above_the_peak_is_a_fault_unless_winograd_explains_it(result):
    fastest = result.fastest("pyconv-layer")
    gflops = result.flops_without_padding / fastest.seconds / 1e9
    assert engine.faults_of(result, Ceilings({"float32": 2 * gflops}, 1.0, "avx2")) == []
    low = Ceilings({"float32": gflops / 2}, 1.0, "avx2")
    assert any("above the FMA peak" in fault for fault in engine.faults_of(result, low))
    entries = [dataclasses.replace(entry, algorithm="winograd_f2") for entry in result.entries]
    assert engine.faults_of(dataclasses.replace(result, entries=entries), low) == []
    assert engine.winograd_saving("winograd_f4", (1, 3, 3)) == 4.0


def test_more_busy_cpus_than_threads_is_a_fault(result, monkeypatch):
    monkeypatch.setattr(engine.machine, "usable_cpus", lambda: 2)
    entries = [dataclasses.replace(entry, cpu_per_wall=1.9) for entry in result.entries]
    faults = engine.faults_of(dataclasses.replace(result, entries=entries), Ceilings({}, 1.0, "avx2"))
    assert faults
    assert all("kept 1.90 CPUs busy" in fault for fault in faults)
    monkeypatch.setattr(
        engine.machine, "usable_cpus", lambda: 1
    )  # more than all there are is an accounting error
    assert not engine.faults_of(dataclasses.replace(result, entries=entries), Ceilings({}, 1.0, "avx2"))


@pytest.mark.filterwarnings("ignore")  # of other libraries
@pytest.mark.parametrize("name", rivals.names())
@pytest.mark.parametrize("text", ["c8h9w9_k16r3s3p1_bias", "c8h9w9_maxr3s3p1u2"])
def test_every_adapter_is_right_and_states_what_it_was_given(name, text):
    """One small file for each; what is not installed is absent, what it does not offer is refused."""
    rival = rivals.find(name)
    lines = inspect.getsource(sys.modules[rival.prepare.__module__]).splitlines()
    assert len(lines) < 80
    if (reason := rivals.absence(rival)) is not None:
        pytest.skip(reason)
    threads = rival.set_threads(1)  # XLA and SciPy choose themselves
    result = engine.measure(parse_case(text), engine.Conditions(threads, ("nchw",), (rival,), QUICK))
    (entry,) = result.entries
    if "max" in text and entry.status == "refused":
        assert entry.detail
        return
    assert (entry.status, entry.detail) == ("ok", "")
    assert entry.given.threads == threads
    assert entry.given.layout == "nchw"
    assert entry.given.weights == ("none" if "max" in text else entry.given.weights)
    assert entry.given.weights in ("packed once", "passed every call", "none")
    assert "float32" in entry.given.precision


def test_a_starved_row_is_measured_again_and_a_second_time_is_a_fault(result, monkeypatch, tmp_path):
    def with_entry(**changes):
        entries = [dataclasses.replace(result.entries[0], **changes), *result.entries[1:]]
        return dataclasses.replace(result, threads=2, entries=entries)

    starved = with_entry(cpu_per_wall=1.01, placement_spread=50.0)
    assert engine.starved(starved) == ["pyconv-layer/nchw"]
    assert engine.starved(dataclasses.replace(starved, threads=1)) == []
    for fine in (
        {"cpu_per_wall": 1.9, "placement_spread": 50.0},
        {"cpu_per_wall": 1.0, "placement_spread": 2.0},
    ):
        assert engine.starved(with_entry(**fine)) == []
    assert any(
        "got one CPU, twice" in fault for fault in engine.faults_of(starved, Ceilings({}, 1.0, "avx2"))
    )
    answers = [starved, with_entry(cpu_per_wall=1.9, placement_spread=1.1)]
    last = answers[-1]
    monkeypatch.setattr(engine, "measure", lambda case, conditions: answers.pop(0))
    options = Options(
        ("custom",), (parse_case(result.problem),), rivals=("pyconv-layer",), threads=(2,), output=tmp_path
    )
    assert run.run(options, "test").results == [last]
    assert answers == []


def test_every_adapter_is_found_and_says_why_it_is_absent():
    for name in rivals.names():
        rival = rivals.find(name)
        assert rival.name == name
        assert rival.layouts
    missing = Rival("x", refusing, lambda threads: threads, requires=("no_such_package",))
    assert "no_such_package" in rivals.absence(missing)
    with pytest.raises(ValueError, match="unknown rival 'nobody'"):
        rivals.find("nobody")

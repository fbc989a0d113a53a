"""The planner's chunks keep many cores busy, by arithmetic: nobody here has 128 of them."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import pyconv
from pyconv.bench.data import make_data
from pyconv.bench.problem_string import parse_case
from pyconv.bench.suites import Options, memory, scaling

LARGE = scaling.partitions(Options())


def test_the_partition_balance_is_what_the_busiest_thread_leaves():
    assert scaling.balance(chunks=28, threads=4) == 1.0
    assert scaling.balance(chunks=9, threads=8) == pytest.approx(9 / 16)
    assert scaling.balance(chunks=1, threads=128) == pytest.approx(1 / 128)


def test_threads_are_swept_from_one_to_all():
    assert scaling.thread_counts(1) == (1,)
    assert scaling.thread_counts(2) == (1, 2)
    assert scaling.thread_counts(12) == (1, 2, 4, 8, 12)


def test_there_are_layers_above_a_gigaflop_of_many_kinds():
    algorithms = {pyconv.plan(label.removeprefix("partition of ")).algorithm for label in LARGE}
    assert len(LARGE) >= 20
    assert {"direct", "winograd_f2", "depthwise"} <= algorithms


@pytest.mark.parametrize("label", LARGE)
def test_large_layers_keep_up_to_128_threads_busy(label):
    (found,) = scaling.measure(Options(), label)
    assert found.at_least == 0.9
    assert found.fault is None


@pytest.mark.parametrize(
    "problem", ["n1c32h17w17_k64r3s3p1", "n1c24w900_k40s7p9l3_bias", "c8d3h9w9_k32t3r3s3p1"]
)
@pytest.mark.parametrize("algorithm", ["direct", "winograd_f2"])
def test_narrow_chunks_give_the_same_bits(problem, algorithm):
    case = parse_case(problem)
    operands = make_data(case)
    arguments = (operands.input, operands.weight, operands.bias, case.stride, case.pad_begin, case.dilation)
    convolve = getattr(pyconv, f"conv{case.ndim}d")
    if {one.algorithm: one.refusal for one in pyconv.plan(problem).candidates}[algorithm]:
        pytest.skip(f"{algorithm} does not offer it")
    results, chunks = [], set()
    for threads in (1, 5, 23, 111):
        with pyconv.options(num_threads=threads, algorithm=algorithm):
            results.append(convolve(*arguments))
            chunks.add(pyconv.plan(problem).chunks)
    assert len(chunks) >= 3
    for result in results[1:]:
        assert np.array_equal(result, results[0])


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is read from Linux's /proc")
def test_memory_beyond_the_output_keeps_to_the_limit():
    label = "pyconv: 3x3 64@572 (U-Net), 1 thread"
    assert label in memory.steps(Options(threads=(1,)))
    (found,) = memory.measure(Options(), label)
    scratch, packed = memory.planned(memory.CASES["3x3 64@572 (U-Net)"], 1)
    assert scratch <= memory.MOST_SCRATCH
    assert found.at_most == pytest.approx((memory.MOST_SCRATCH + packed + memory.SLACK) / 1e6)
    assert 0 <= found.value <= found.at_most
    assert found.fault is None
    assert "allowed" in dataclasses.replace(found, value=2 * found.at_most).fault

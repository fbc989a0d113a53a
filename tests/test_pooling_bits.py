"""Promise 1 for pooling: the same bits for any thread count, ISA (baseline too: no FMA is involved), memory
layout and position in the batch. Random floats: another order of additions shows."""

import numpy as np
import pytest
from pool_cases import CASES, ISAS, LAYOUTS, THREADS, PoolCase, in_layout, replace, same_bits

import pyconv

# Large enough to be cut into chunks by planes, by rows and by columns.
CHUNKED = [
    PoolCase("avg", 24, (56, 57), 3, stride=2, padding=1, batch=1),
    PoolCase("max", 2, (130, 200), 3, stride=1, padding=1, batch=1),
    PoolCase("avg", 1, (60001,), 9, stride=2, padding=4, batch=1),
    PoolCase("avg", 70, (9, 20, 22), 3, stride=1, padding=1, batch=1),
    PoolCase("max", 3, (224, 224), 2, batch=1),
]


@pytest.mark.parametrize("case", [*CASES, *CHUNKED], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_threads_layouts_and_instruction_sets(case, dtype):
    x = case.random(dtype)
    reference = case.run(x, num_threads=1, isa=ISAS[0])
    batched = case.batch is not None
    for isa in ISAS:
        for layout in LAYOUTS:
            for threads in THREADS:
                got = case.run(in_layout(x, layout, batched), num_threads=threads, isa=isa)
                assert same_bits(got, reference), (isa, layout, threads)


@pytest.mark.parametrize("case", [c for c in [*CASES, *CHUNKED] if c.kind == "max"], ids=str)
def test_indices_do_not_depend_on_threads(case):
    x = case.integers()
    values, indices = case.run(x, num_threads=1, return_indices=True)
    for threads in THREADS:
        for layout in ("channels_first", "channels_last"):
            array = in_layout(x, layout, case.batch is not None)
            got, at = case.run(array, num_threads=threads, return_indices=True)
            assert same_bits(got, values)
            assert (at == indices).all()


@pytest.mark.parametrize("case", [case for case in CASES if case.batch is not None], ids=str)
def test_batch_and_position_in_the_batch(case):
    one = replace(case, batch=1).random()
    alone = case.run(one)
    batch = replace(case, batch=5).random(seed=9)
    for position in range(5):
        mixed = batch.copy()
        mixed[position] = one[0]
        assert same_bits(case.run(mixed)[position], alone[0]), position


def any_floats(dtype, count):
    """Bit patterns: every exponent, many subnormal numbers, infinities and NaN; no -0, which no sum is."""
    integer = np.dtype(f"u{np.dtype(dtype).itemsize}")
    rng = np.random.default_rng(3)
    bits = rng.integers(0, np.iinfo(integer).max, count, dtype=integer, endpoint=True)
    values = bits.view(dtype)
    mantissa = np.finfo(dtype).nmant
    values[::5] = rng.integers(0, 1 << (mantissa + 1), values[::5].shape).astype(integer).view(dtype)
    values[1::9] = np.inf
    return values + dtype(0)


@pytest.mark.parametrize("taps", [3, 6, 7, 8, 9, 10, 49, 81, 1023])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_an_average_is_the_quotient_rounded_once(taps, dtype):
    windows, channels = 60, 64
    sums = any_floats(dtype, windows * channels).reshape(channels, windows)
    x = np.zeros((1, channels, windows, taps), dtype)
    x[0, :, :, 0] = sums
    x = x.reshape(1, channels, windows * taps)
    for isa in ISAS:
        for layout in LAYOUTS:
            with pyconv.options(isa=isa):
                got = pyconv.avg_pool1d(in_layout(x, layout), taps)
            assert same_bits(got[0], sums / dtype(taps)), (isa, layout)

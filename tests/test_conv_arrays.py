"""Any array-like in: every memory order, byte order, alignment, lists, tensors; nothing else is touched."""

import inspect

import numpy as np
import oracle
import pytest
import torch
from cases import (
    CONV,
    DIRECT_FAMILY,
    FEW_CASES,
    ISAS,
    LAYOUTS,
    ConvCase,
    check,
    in_layout,
    run,
    same_bits,
    takers,
    ways,
)
from numpy.lib.stride_tricks import as_strided, sliding_window_view

import pyconv

CASE = ConvCase(in_ch=5, out_ch=9, size=(8, 11), kernel=(3, 2), padding=1, bias=True, residual=True, batch=2)
ARRAYS = ("input", "weight", "bias", "residual")
CANARY = -12345.5


def unaligned(array):
    buffer = np.zeros(array.nbytes + 1, np.uint8)
    view = buffer[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


def reversed_everywhere(array):
    every = (slice(None, None, -1),) * array.ndim
    return np.ascontiguousarray(array[every])[every]


class Subclass(np.ndarray):
    pass


class OnlyDlpack:
    """An object of another library."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **kwargs):
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


KINDS = {
    "fortran": np.asfortranarray,
    "reversed": reversed_everywhere,
    "every other": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "unaligned": unaligned,
    "read-only": read_only,
    "subclass": lambda a: a.view(Subclass),
    "list": lambda a: a.tolist(),
    "dlpack": OnlyDlpack,
    "tensor": torch.from_numpy,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kinds_of_arrays(kind, dtype):
    arguments = CASE.arguments("exact", dtype)
    expected = oracle.conv(**arguments)
    for names in (*((name,) for name in ARRAYS), ARRAYS):
        changed = arguments | {name: KINDS[kind](arguments[name]) for name in names}
        result = pyconv.conv2d(**changed)
        tensor = kind == "tensor" and "input" in names
        assert isinstance(result, torch.Tensor if tensor else np.ndarray)
        values = result.numpy() if tensor else result
        assert type(values) is np.ndarray
        assert np.array_equal(values, expected), names
        if kind != "list":
            assert values.dtype == dtype


def test_dtypes_follow_result_type():
    x, w = np.ones((1, 2, 5), np.float32), np.ones((3, 2, 2), np.float32)
    for other in (np.float64, np.int64, np.int32):
        assert pyconv.conv1d(x.astype(other), w).dtype == np.float64
        assert pyconv.conv1d(x, w.astype(other)).dtype == np.float64
        assert pyconv.conv1d(x, w, np.ones(3, other)).dtype == np.float64
    for other in (np.int16, np.int8, np.uint8, np.bool_):
        assert pyconv.conv1d(x.astype(other), w).dtype == np.float32


def test_signature_is_torchs_then_keywords():
    shared = ["input", "weight", "bias", "stride", "padding", "dilation", "groups"]
    ours = ["padding_mode", "activation", "residual", "data_format", "algorithm", "out"]
    for function in CONV.values():
        parameters = inspect.signature(function).parameters.values()
        assert [p.name for p in parameters] == shared + ours
        assert [p.name for p in parameters if p.kind is p.KEYWORD_ONLY] == ours


TWOS = [2, (2,), [2], (2, 2), [2, 2], np.int64(2), np.array([2, 2]), torch.Size([2, 2])]


@pytest.mark.parametrize("number", TWOS)
def test_numbers_as_torch_takes_them(number):
    case = ConvCase(in_ch=4, out_ch=6, size=(9, 11), kernel=(3, 2), padding=2)
    arguments = case.arguments("exact")
    for name in ("stride", "padding", "dilation"):
        expected = oracle.conv(**(arguments | {name: 2}))
        assert np.array_equal(pyconv.conv2d(**(arguments | {name: number})), expected), name
    pairs = arguments | {"padding": [[2, 2], (2, 2)]}
    assert np.array_equal(pyconv.conv2d(**pairs), oracle.conv(**arguments))


def test_broadcast_and_overlapping_inputs():
    rng = np.random.default_rng(0)
    w = rng.integers(-4, 5, (7, 6, 2, 3)).astype(np.float32)
    row = rng.integers(-4, 5, 40).astype(np.float32)
    inputs = {
        "one row for all": np.broadcast_to(row[:9], (2, 6, 5, 9)),
        "one value": np.broadcast_to(np.float32(3), (2, 6, 5, 9)),
        "sliding windows": sliding_window_view(row, (6, 5, 9), axis=(0, 0, 0))[:2],
        "size-1 strides": as_strided(row, (1, 6, 5, 1), (10**9, 4, 24, -(10**9))),
    }
    for name, x in inputs.items():
        kernel = w if x.shape[-1] > 1 else w[..., :1]
        for algorithm in DIRECT_FAMILY:
            result = pyconv.conv2d(x, kernel, algorithm=algorithm)
            assert np.array_equal(result, oracle.conv(x, kernel)), (name, algorithm)
    zero_weight = np.broadcast_to(np.float32(2), (3, 6, 2, 2))
    assert np.array_equal(
        pyconv.conv2d(inputs["one value"], zero_weight), np.full((2, 3, 4, 8), 2 * 3 * 6 * 4)
    )


@pytest.mark.parametrize(("groups", "algorithm"), [(1, "direct"), (10, "grouped"), (40, "depthwise")])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_one_pixel_for_the_whole_image(groups, algorithm, stride):
    """Channels-last, and neighbouring pixels no distance apart."""
    rng = np.random.default_rng(stride)
    pixel = rng.integers(-4, 5, 40).astype(np.float32)
    x = np.broadcast_to(pixel[:, None, None], (2, 40, 9, 11))
    w = rng.integers(-4, 5, (40, 40 // groups, 3, 3)).astype(np.float32)
    for padding in (0, 1):
        settings = {"stride": stride, "padding": padding, "groups": groups}
        result = pyconv.conv2d(x, w, algorithm=algorithm, **settings)
        assert np.array_equal(result, oracle.conv(x, w, **settings)), padding


@ways(FEW_CASES)
def test_canaries_and_nan_neighbours(case, algorithm):
    """Every operand lies inside a larger buffer of NaN: reading beyond it shows, and so does writing."""
    arguments = case.arguments("exact")
    expected = oracle.conv(**arguments)
    for isa in ISAS:
        for layout in ("channels_first", "channels_last"):
            placed = dict(arguments)
            for name in ARRAYS:
                if arguments[name] is not None:
                    ordered = arguments[name]
                    if name in ("input", "residual"):
                        ordered = in_layout(ordered, layout, True)
                    placed[name], _ = inside(ordered, np.nan)
            out, buffer = inside(in_layout(np.zeros(case.out_shape, np.float32), layout, True), CANARY)
            with pyconv.options(isa=isa, algorithm=algorithm):
                result = getattr(pyconv, f"conv{case.rank}d")(**placed, out=out)
            check(result, expected, arguments, algorithm)
            margin = (buffer.size - out.size) // 2
            assert np.all(buffer[:margin] == CANARY)
            assert np.all(buffer[-margin:] == CANARY)


def inside(array, value):
    """A copy of `array` with the same strides in the middle of a buffer of `value`."""
    margin = 67
    buffer = np.full(array.size + 2 * margin, value, array.dtype)
    view = as_strided(buffer[margin:], array.shape, array.strides)
    view[...] = array
    return view, buffer


def test_gaps_of_a_strided_out_stay_untouched():
    case = ConvCase(in_ch=3, out_ch=18, size=(6, 33), kernel=(1, 2))
    arguments = case.arguments("exact")
    for algorithm in takers(case):
        buffer = np.full((1, 20, 7, 66), CANARY, np.float32)
        out = buffer[:, 1:19, :6, 1::2][..., :32]
        run(arguments, algorithm=algorithm, out=out)
        check(out, oracle.conv(**arguments), arguments, algorithm)
        assert np.sum(buffer != CANARY) == out.size


def test_more_than_2_to_the_31_elements():
    """Index arithmetic is 64-bit: the ends of an 8 GB input, of which only a few pages are ever touched."""
    step = 2**30
    try:
        x = np.zeros((1, 1, 2, step + 3), np.float32)
    except MemoryError:
        pytest.skip("cannot reserve 8 GB of address space")
    assert x.size > 2**31
    rng = np.random.default_rng(0)
    x[..., :3] = rng.integers(-4, 5, (1, 1, 2, 3))
    x[..., -3:] = rng.integers(-4, 5, (1, 1, 2, 3))
    w = rng.integers(-4, 5, (5, 1, 2, 3)).astype(np.float32)
    ends = np.concatenate([x[..., :3], x[..., -3:]], axis=-1)
    case = ConvCase(in_ch=1, out_ch=5, size=x.shape[2:], kernel=(2, 3), stride=(1, step))
    assert case.out_shape == (1, 5, 1, 2)
    plan = pyconv.plan(x, w, stride=case.stride)
    for algorithm in [candidate.algorithm for candidate in plan.candidates if not candidate.refusal]:
        result = pyconv.conv2d(x, w, stride=case.stride, algorithm=algorithm)
        assert np.array_equal(result, oracle.conv(ends, w, stride=(1, 3))), algorithm


def test_out_may_overlap_every_operand():
    """The result is that of separate arrays, whichever operand `out` shares memory with, and how."""
    case = ConvCase(in_ch=4, out_ch=4, size=(9, 9), kernel=(3, 3), padding=1, residual=True, bias=True)
    for shift in (0, 1, 40):
        for name in ("input", "residual"):
            arguments = case.arguments("exact")
            expected = oracle.conv(**arguments)
            memory = np.zeros(4 * 81 + 2 * shift, np.float32)
            operand = memory[: 4 * 81].reshape(1, 4, 9, 9)
            operand[...] = arguments[name]
            out = memory[shift : shift + 4 * 81].reshape(1, 4, 9, 9)
            result = pyconv.conv2d(**(arguments | {name: operand}), out=out)
            assert result is out
            assert np.array_equal(out, expected), (name, shift)
    weight = np.ones((1, 1, 3), np.float32)
    pyconv.conv1d(np.arange(5, dtype=np.float32).reshape(1, 1, 5), weight, out=weight)
    assert weight.tolist() == [[[3, 6, 9]]]


def test_out_whose_elements_share_memory():
    """Written in NumPy's order, whatever the threads do."""
    case = ConvCase(in_ch=2, out_ch=8, size=(12, 40), kernel=(3, 3))
    arguments = case.arguments("exact")
    shared, expected = (as_strided(np.zeros(4000, np.float32), case.out_shape, (4, 304, 16, 4)) for _ in "12")
    expected[...] = oracle.conv(**arguments)
    for threads in (1, 4):
        run(arguments, out=shared, num_threads=threads)
        assert np.array_equal(shared, expected)


def test_memory_format_of_the_result():
    """A result keeps its input's memory format; what reads both ways, or neither, is channels-first."""
    w = np.ones((4, 3, 3, 3), np.float32)
    x = np.ones((2, 3, 6, 7), np.float32)
    last = in_layout(x, "channels_last", True)
    result = pyconv.conv2d(last, w)
    assert np.moveaxis(result, 1, -1).flags.c_contiguous
    for other in (x, in_layout(x, "fortran", True), in_layout(x, "strided", True)):
        assert pyconv.conv2d(other, w).flags.c_contiguous
    assert pyconv.conv2d(np.ones((2, 1, 6, 7), np.float32), w[:, :1]).flags.c_contiguous
    by_axes = pyconv.conv2d(np.moveaxis(last, 1, -1), w, data_format="channels_last")
    assert by_axes.flags.c_contiguous
    sliced = in_layout(np.ones((2, 8, 6, 7), np.float32), "channels_last", True)[:, :3]
    assert np.moveaxis(pyconv.conv2d(sliced, w), 1, -1).flags.c_contiguous


def test_tensors_give_tensors():
    x = torch.randn(2, 3, 6, 7).to(memory_format=torch.channels_last)
    w = torch.randn(4, 3, 3, 3)
    result = pyconv.conv2d(x, w, padding=1)
    assert isinstance(result, torch.Tensor)
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert same_bits(result.numpy(), pyconv.conv2d(x.numpy(), w.numpy(), padding=1))
    out = torch.empty(2, 4, 4, 5)
    assert pyconv.conv2d(x, w, out=out) is out
    assert torch.equal(out, pyconv.conv2d(x, w).contiguous())


def test_plain_functions_keep_nothing():
    """Weights changed in place between two calls are seen by the second one."""
    arguments = CASE.arguments("exact")
    first = run(arguments)
    for name in ("input", "weight", "bias", "residual"):
        arguments[name] *= 2
    assert np.array_equal(run(arguments), oracle.conv(**arguments))
    assert not np.array_equal(run(arguments), first)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_arguments_are_not_written(layout):
    arguments = CASE.arguments("dense")
    before = {name: arguments[name].copy() for name in ARRAYS}
    for algorithm in takers(CASE):
        run(arguments, layout=layout, algorithm=algorithm, num_threads=2)
        for name in ARRAYS:
            assert same_bits(arguments[name], before[name])

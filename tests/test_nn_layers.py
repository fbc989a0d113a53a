"""pyconv.nn against torch.nn: the same constructors, the same numbers, the assignment rules of product.md."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import oracle
import pytest
import torch
from cases import DTYPES, ISAS, LAYOUTS, THREADS, ConvCase, check, in_layout

import pyconv
from pyconv import _core
from pyconv._options import compiled

# torch says so of every even kernel under padding="same"; the result is what is compared here.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")

CONVS = [
    ("Conv1d", (4, 6, 3), {"stride": 2, "padding": 1}, (2, 4, 17)),
    ("Conv2d", (4, 6, (3, 5)), {"padding": (1, 2), "groups": 2}, (2, 4, 9, 11)),
    ("Conv2d", (3, 8, 4), {"padding": "same", "bias": False}, (3, 10, 7)),
    ("Conv2d", (3, 5, 3), {"padding": 2, "dilation": 2, "padding_mode": "circular"}, (1, 3, 9, 9)),
    ("Conv3d", (2, 3, 2), {"stride": (1, 2, 1)}, (1, 2, 5, 6, 7)),
]
POOLS = [
    ("MaxPool1d", (3, 2, 1), {}, (2, 4, 17)),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1, "dilation": 2, "ceil_mode": True}, (1, 3, 12, 13)),
    ("MaxPool3d", (2,), {}, (1, 3, 5, 6, 7)),
    ("AvgPool1d", (3, 2, 1), {"count_include_pad": False}, (2, 4, 17)),
    ("AvgPool2d", ((2, 3),), {"ceil_mode": True, "divisor_override": 5}, (1, 3, 9, 10)),
    ("AvgPool3d", (2,), {"stride": 1}, (3, 5, 6, 7)),
]


@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), CONVS + POOLS)
def test_from_torch_computes_what_the_module_computes(name, args, kwargs, shape):
    torch.manual_seed(1)
    module = getattr(torch.nn, name)(*args, **kwargs).double()
    layer = pyconv.nn.from_torch(module)
    x = np.random.default_rng(0).integers(-4, 5, shape).astype(np.float64)
    expected = module(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(layer(x), expected, rtol=0, atol=1e-12)
    assert type(layer).__name__ == name
    assert repr(layer).startswith(name + "(")


@pytest.mark.parametrize(("name", "args", "kwargs", "shape"), CONVS + POOLS)
def test_constructors_take_torchs_arguments(name, args, kwargs, shape):
    x = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    ours = getattr(pyconv.nn, name)(*args, **kwargs)
    theirs = getattr(torch.nn, name)(*args, **kwargs)
    assert ours(x).shape == tuple(theirs(torch.from_numpy(x)).shape)


def test_max_pool_layer_returns_indices_where_torchs_argument_says_so():
    x = np.random.default_rng(0).standard_normal((1, 2, 6, 6), dtype=np.float32)
    values, indices = pyconv.nn.MaxPool2d(2, 2, 0, 1, True)(x)
    expected, expected_indices = torch.nn.MaxPool2d(2, 2, 0, 1, True)(torch.from_numpy(x))
    assert np.array_equal(values, expected.numpy())
    assert np.array_equal(indices, expected_indices.numpy())


def test_layer_equals_function_bit_for_bit_on_every_layout():
    rng = np.random.default_rng(3)
    layer = pyconv.nn.Conv2d(19, 37, 3, padding=1, rng=rng, activation="relu")
    x = rng.standard_normal((3, 19, 14, 15), dtype=np.float32)
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    expected = pyconv.conv2d(x, layer.weight, layer.bias, padding=1, activation="relu")
    for _ in range(2):  # packing, then packed
        assert np.array_equal(layer(x), expected)
        assert np.array_equal(layer(last), expected)


# In this order: Winograd's products, gathered pixels chain by chain, rows of a band, one band of pixels.
LARGE_WEIGHTS = [
    ConvCase(in_ch=420, out_ch=410, size=(9, 5), kernel=(3, 3), padding=1, bias=True),
    ConvCase(in_ch=420, out_ch=410, size=(9, 9), kernel=(3, 3), stride=2, padding=1, bias=True),
    ConvCase(in_ch=300, out_ch=410, size=(14, 21), kernel=(3, 3), stride=2, padding=1, bias=True),
    ConvCase(in_ch=1600, out_ch=1700, size=(5, 4), kernel=(1, 1), bias=True),
]


@pytest.mark.parametrize("case", LARGE_WEIGHTS, ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_that_come_from_memory(case, dtype):
    """Tiles ask for the weights of the next one, which decides nothing but time."""
    arguments = case.arguments("exact", dtype)
    layer = pyconv.nn.Conv2d(
        case.in_ch, case.out_ch, case.kernel, case.stride, case.padding, dtype=arguments["weight"].dtype
    )
    layer.weight, layer.bias = arguments["weight"], arguments["bias"]
    expected = oracle.conv(**arguments)
    for isa in ISAS:
        for threads in THREADS:
            with pyconv.options(isa=isa, num_threads=threads):
                for layout in LAYOUTS:
                    result = layer(in_layout(arguments["input"], layout, True))
                    check(result, expected, arguments, "auto")


def test_initial_values_are_uniform_in_the_inverse_root_of_fan_in():
    layer = pyconv.nn.Conv2d(64, 64, 3, rng=0)
    limit = 1 / np.sqrt(64 * 9)
    for values in (layer.weight, layer.bias):
        assert np.abs(values).max() <= limit
        assert values.std() == pytest.approx(limit / np.sqrt(3), rel=0.15)
    assert np.array_equal(layer.weight, pyconv.nn.Conv2d(64, 64, 3, rng=0).weight)
    assert not np.array_equal(layer.weight, pyconv.nn.Conv2d(64, 64, 3, rng=1).weight)


def test_assignment_copies_and_drops_the_packed_form():
    layer = pyconv.nn.Conv1d(2, 3, 4, rng=0)
    x = np.random.default_rng(0).standard_normal((1, 2, 11), dtype=np.float32)
    layer(x)
    new = np.ones((4, 2, 3), np.float32).T  # (3, 2, 4), Fortran order
    layer.weight = new
    new[...] = 7
    assert np.array_equal(layer.weight, np.ones((3, 2, 4)))
    assert np.array_equal(layer(x), pyconv.conv1d(x, np.ones((3, 2, 4), np.float32), layer.bias))
    layer.weight = np.ones((3, 2, 4), np.float64)
    assert layer(x).dtype == np.float64


def covered(layer, x, out=None):
    """What the layer's last call gives for ``x`` without another check; None where it must be checked."""
    return layer._cache.again(x, out, None)


def layer_and_input():
    x = np.random.default_rng(1).standard_normal((2, 4, 9, 9), dtype=np.float32)
    layer = pyconv.nn.Conv2d(4, 6, 3, padding=1, rng=0)
    layer(x)
    return layer, x


def test_a_call_that_differs_in_numbers_alone_is_not_checked_again():
    layer, x = layer_and_input()
    other = x[::-1].copy()
    expected = pyconv.conv2d(other, layer.weight, layer.bias, padding=1)
    assert np.array_equal(covered(layer, other), expected)
    out = np.empty_like(expected)
    assert covered(layer, other, out) is out
    assert np.array_equal(out, expected)
    assert np.array_equal(layer(other), expected)


@pytest.mark.parametrize(
    "different",
    [
        lambda x: x[:1],
        lambda x: x[0],
        lambda x: x[:, :, :8],
        lambda x: x[:, :, ::-1],
        lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1),
        lambda x: x.astype(np.float64),
        lambda x: x.astype(">f4"),
        lambda x: x.tolist(),
    ],
    ids=["batch", "unbatched", "size", "strides", "channels_last", "float64", "byteorder", "list"],
)
def test_a_call_with_an_input_of_another_kind_is_checked_again(different):
    layer, x = layer_and_input()
    y = different(x)
    assert covered(layer, y) is None
    expected = pyconv.conv2d(y, layer.weight, layer.bias, padding=1)
    for _ in range(2):
        assert np.array_equal(layer(y), expected)


def test_an_input_that_no_longer_fits_is_refused_after_one_that_did():
    layer, x = layer_and_input()
    with pytest.raises(ValueError, match="input has 3 channels"):
        layer(x[:, :3])
    assert np.array_equal(layer(x), pyconv.conv2d(x, layer.weight, layer.bias, padding=1))


@pytest.mark.parametrize(
    ("name", "value"),
    [("stride", 2), ("padding", "valid"), ("dilation", 2), ("activation", "relu"), ("bias", None),
     ("padding_mode", "reflect"), ("weight", np.ones((6, 4, 3, 3), np.float32))],
)  # fmt: skip
def test_what_is_assigned_holds_from_the_next_call_on(name, value):
    layer, x = layer_and_input()
    setattr(layer, name, value)
    assert covered(layer, x) is None
    names = ("weight", "bias", "stride", "padding", "dilation", "padding_mode", "activation")
    expected = pyconv.conv2d(x, **{name: getattr(layer, name) for name in names})
    assert np.array_equal(layer(x), expected)


def test_a_call_under_way_during_an_assignment_is_not_remembered_after_it():
    layer, x = layer_and_input()
    before, stride = layer._cache, layer.stride  # read by a call in another thread,
    layer.stride = 2
    _core.conv(
        2, x, layer.weight, layer.bias, stride, 1, 1, 1, "zeros", None, None, "channels_first", "auto", None,
        None, before,
    )  # fmt: skip  # which goes on now
    assert np.array_equal(layer(x), pyconv.conv2d(x, layer.weight, layer.bias, padding=1, stride=2))
    assert layer._cache.nbytes == before.nbytes > 0  # the weights are packed once


def test_calls_that_always_bring_out_are_not_checked_again():
    layer, x = layer_and_input()
    expected = layer(x)
    layer.bias = layer.bias  # forgets
    memory = np.full((2, 6, 9, 12), 7, np.float32)
    out = memory[..., 1:10]
    layer(x, out=out)
    out[...] = 0
    assert covered(layer, x, out) is out
    assert np.array_equal(out, expected)
    assert (memory[..., 0] == 7).all()
    assert (memory[..., 10:] == 7).all()
    assert covered(layer, x) is None  # a new array has no gaps
    assert layer(x).flags.c_contiguous


def test_an_argument_that_can_change_in_place_is_read_at_every_call():
    padding = [1, 1]
    layer = pyconv.nn.Conv2d(4, 6, 3, rng=0)
    layer.padding = padding
    x = np.ones((2, 4, 9, 9), np.float32)
    assert layer(x).shape == (2, 6, 9, 9)
    padding[0] = 0
    assert layer(x).shape == (2, 6, 7, 9)


def test_options_and_threads_hold_for_a_call_like_the_last_one():
    layer, x = layer_and_input()
    with pyconv.options(algorithm="naive"):
        assert layer._cache.again(x, None, compiled()) is None
    before = pyconv.get_num_threads()
    try:
        pyconv.set_num_threads(before + 1)
        assert covered(layer, x) is None
    finally:
        pyconv.set_num_threads(before)


def test_out_of_a_call_like_the_last_one_is_checked():
    layer, x = layer_and_input()
    expected = layer(x)
    read_only = np.empty_like(expected)
    read_only.flags.writeable = False
    with pytest.raises(ValueError, match="writeable"):
        layer(x, out=read_only)
    with pytest.raises(ValueError, match="shape of the result"):
        layer(x, out=np.empty((2, 6, 9, 8), np.float32))
    with pytest.raises(TypeError, match="dtype"):
        layer(x, out=np.empty(expected.shape))
    memory = np.zeros((2 * 6 * 81,), np.float32)
    memory[: x.size] = x.ravel()
    overlapping, out = memory[: x.size].reshape(x.shape), memory.reshape(expected.shape)
    assert covered(layer, overlapping, out) is None
    assert np.array_equal(layer(overlapping, out=out), expected)


def test_parameters_are_read_only_and_shapes_are_checked():
    layer = pyconv.nn.Conv1d(2, 3, 4)
    with pytest.raises(ValueError, match="read-only"):
        layer.weight[0, 0, 0] = 1
    with pytest.raises(ValueError, match=r"\(3, 2, 4\).*\(3, 2, 5\)"):
        layer.weight = np.ones((3, 2, 5), np.float32)
    with pytest.raises(TypeError, match="int64"):
        layer.weight = np.ones((3, 2, 4), np.int64)
    with pytest.raises(ValueError, match="in_channels is 3, groups is 2"):
        pyconv.nn.Conv1d(3, 4, 1, groups=2)
    assert [p.shape for p in layer.parameters()] == [(3, 2, 4), (3,)]
    assert [p.shape for p in pyconv.nn.Conv1d(2, 3, 4, bias=False).parameters()] == [(3, 2, 4)]


def test_state_dict_round_trip_through_torch():
    module = torch.nn.Conv2d(3, 4, 3)
    layer = pyconv.nn.Conv2d(3, 4, 3)
    layer.load_state_dict(module.state_dict())
    assert list(layer.state_dict()) == list(module.state_dict())
    x = np.random.default_rng(0).standard_normal((1, 3, 8, 8), dtype=np.float32)
    pyconv.testing.assert_conv_close(layer(x), None, x, layer.weight, layer.bias)
    with pytest.raises(ValueError, match=r"missing \['bias'\], unknown \['extra'\]"):
        layer.load_state_dict({"weight": layer.weight, "extra": layer.weight})


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_and_pickles_pack_again(clone):
    layer = pyconv.nn.Conv2d(3, 4, 3, activation=("clip", -1, 1), rng=0)
    x = np.random.default_rng(0).standard_normal((1, 3, 8, 8), dtype=np.float32)
    expected = layer(x)
    twin = clone(layer)
    assert np.array_equal(twin(x), expected)
    with pytest.raises(ValueError, match="read-only"):
        twin.weight[0, 0, 0, 0] = 1


def test_from_torch_refuses_what_has_no_layer_here():
    with pytest.raises(TypeError, match="Linear"):
        pyconv.nn.from_torch(torch.nn.Linear(2, 3))

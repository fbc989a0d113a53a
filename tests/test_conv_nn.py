"""pyconv.nn's convolution layers: the plain function bit for bit, torch's constructor, state and
conversion, and what assigning a parameter means."""

import copy
import pickle

import numpy as np
import pytest
import torch
from cases import CONV, FEW_CASES, ISAS, LAYOUTS, in_layout, same_bits

import pyconv
from pyconv.testing import assert_conv_close

LAYER = {1: pyconv.nn.Conv1d, 2: pyconv.nn.Conv2d, 3: pyconv.nn.Conv3d}
TORCH_LAYER = {1: torch.nn.Conv1d, 2: torch.nn.Conv2d, 3: torch.nn.Conv3d}


def layer_for(case, arguments):
    layer = LAYER[case.rank](
        case.in_ch,
        case.out_ch,
        case.kernel,
        case.stride,
        case.padding,
        case.dilation,
        case.groups,
        case.bias,
        case.padding_mode,
        activation=case.activation,
    )
    layer.weight = arguments["weight"]
    layer.bias = arguments["bias"]
    return layer


@pytest.mark.parametrize("case", FEW_CASES, ids=str)
def test_layer_and_function_share_bits(case):
    """One layer, packed once for each instruction set, on images of several sizes in every layout."""
    arguments = case.arguments("dense")
    layer = layer_for(case, arguments)
    rng = np.random.default_rng(0)
    for isa in ISAS:
        for more in (0, 1, 17, 230):
            size = (*case.size[:-1], case.size[-1] + more)
            x = rng.standard_normal((2, case.in_ch, *size), np.float32)
            plain = arguments | {"input": x, "residual": None}
            for layout in LAYOUTS:
                placed = in_layout(x, layout, True)
                with pyconv.options(isa=isa):
                    result = layer(placed)
                    function = CONV[case.rank](**(plain | {"input": placed}))
                assert same_bits(result, function), (isa, more, layout)
                assert result.strides == function.strides


@pytest.mark.parametrize("algorithm", ["direct", "im2col", "winograd_f2", "winograd_c4", "winograd_f4"])
def test_threads_that_share_out_large_weights_share_bits(algorithm):
    """Beyond 10 MB of packed weights each thread keeps to output channels of its own."""
    rng = np.random.default_rng(0)
    layer = pyconv.nn.Conv1d(1100, 1250, 3, padding=1, rng=rng)
    x = rng.standard_normal((2, 1100, 21), np.float32)
    for isa in ISAS:
        results = []
        for layout in ("channels_first", "channels_last"):
            placed = in_layout(x, layout, True)
            for threads in (1, 2, 3, 13):
                with pyconv.options(isa=isa, algorithm=algorithm, num_threads=threads):
                    results.append(layer(placed))
        assert all(same_bits(result, results[0]) for result in results), isa


def test_layer_takes_residual_and_out():
    case = FEW_CASES[1]
    arguments = case.arguments("dense")
    layer = layer_for(case, arguments)
    out = np.empty(case.out_shape, np.float32)
    assert layer(arguments["input"], residual=arguments["residual"], out=out) is out
    assert same_bits(out, CONV[case.rank](**arguments))


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"bias": False, "stride": 2, "padding": 1},
        {"padding": "same", "dilation": 2},
        {"groups": 2, "padding": 2, "padding_mode": "circular"},
        {"padding": 1, "padding_mode": "reflect"},
        {"padding": "same", "padding_mode": "replicate"},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_from_torch(rank, options, dtype):
    module = TORCH_LAYER[rank](4, 6, 3, **options, dtype=getattr(torch, dtype))
    layer = pyconv.nn.from_torch(module)
    assert type(layer) is LAYER[rank]
    assert layer.weight.dtype == dtype
    assert list(layer.state_dict()) == list(module.state_dict())
    for name, value in layer.state_dict().items():
        assert np.array_equal(value, module.state_dict()[name].numpy())
    x = torch.randn(2, 4, *(9, 8, 7)[:rank], dtype=getattr(torch, dtype))
    expected = module.double()(x.double()).detach().numpy()
    options = {name: value for name, value in options.items() if name != "bias"}
    assert_conv_close(layer(x.numpy()), expected, x.numpy(), layer.weight, layer.bias, **options)
    module.weight.data.zero_()
    assert layer.weight.any()  # a copy


def test_from_torch_refuses_what_it_does_not_know():
    with pytest.raises(TypeError, match="Linear"):
        pyconv.nn.from_torch(torch.nn.Linear(2, 3))


def test_constructor_and_parameters():
    layer = pyconv.nn.Conv2d(4, 6, (3, 5), groups=2)
    assert layer.weight.shape == (6, 2, 3, 5)
    assert layer.bias.shape == (6,)
    assert layer.weight.dtype == np.float32
    assert [p.shape for p in layer.parameters()] == [(6, 2, 3, 5), (6,)]
    limit = 1 / np.sqrt(2 * 15)
    assert np.abs(layer.weight).max() <= limit
    assert np.abs(layer.weight).max() > 0.9 * limit
    assert np.abs(layer.bias).max() <= limit
    without = pyconv.nn.Conv2d(4, 6, 3, bias=False, dtype=np.float64)
    assert without.bias is None
    assert [p.dtype for p in without.parameters()] == [np.float64]
    assert list(without.state_dict()) == ["weight"]
    same = [pyconv.nn.Conv1d(2, 3, 4, rng=7).weight for _ in range(2)]
    assert np.array_equal(*same)
    assert not np.array_equal(same[0], pyconv.nn.Conv1d(2, 3, 4, rng=8).weight)
    for arguments in ((5, 6, 3), (4, 5, 3)):
        with pytest.raises(ValueError, match="divisible by groups"):
            pyconv.nn.Conv2d(*arguments, groups=2)


def test_seed_parameter_names_and_sizes():
    """The seed example takes the parameters out in torch's order."""
    ours, theirs = pyconv.nn.Conv1d(2, 3, 4), torch.nn.Conv1d(2, 3, 4)
    assert [p.shape for p in ours.parameters()] == [tuple(p.shape) for p in theirs.parameters()]


def test_state_dict_round_trip():
    first, second = pyconv.nn.Conv2d(3, 5, 3, rng=0), pyconv.nn.Conv2d(3, 5, 3, rng=1)
    x = np.random.default_rng(0).standard_normal((1, 3, 8, 8), np.float32)
    assert not np.array_equal(first(x), second(x))
    state = first.state_dict()
    second.load_state_dict(state)
    assert same_bits(first(x), second(x))
    before = second(x)
    state["weight"][...] = 0  # a copy
    assert same_bits(second(x), before)
    module = torch.nn.Conv2d(3, 5, 3)
    module.load_state_dict({name: torch.from_numpy(value) for name, value in first.state_dict().items()})
    second.load_state_dict(module.state_dict())
    assert same_bits(second(x), first(x))


def test_a_refused_state_changes_nothing():
    layer = pyconv.nn.Conv2d(3, 5, 3)
    before = layer.state_dict()
    weight, bias = before["weight"] + 1, before["bias"]
    for state, says in (
        ({"weight": weight}, "missing"),
        ({"weight": weight, "bias": bias, "scale": bias}, "unknown"),
        ({"weight": weight, "bias": bias[:4]}, "shape"),
    ):
        with pytest.raises(ValueError, match=says):
            layer.load_state_dict(state)
        for name, value in layer.state_dict().items():
            assert np.array_equal(value, before[name])


def test_assignment_copies_checks_and_packs_again():
    layer = pyconv.nn.Conv2d(2, 3, 3, bias=False)
    x = np.random.default_rng(0).standard_normal((1, 2, 7, 9), np.float32)
    layer(x)
    weight = np.random.default_rng(1).standard_normal((3, 2, 3, 3), np.float32)
    layer.weight = weight[:, ::-1][..., ::-1]
    expected = pyconv.conv2d(x, weight[:, ::-1][..., ::-1])
    assert same_bits(layer(x), expected)
    weight[...] = 0
    assert same_bits(layer(x), expected)
    with pytest.raises(ValueError, match="read-only"):
        layer.weight[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        layer.weight *= 2
    for wrong in (np.ones((3, 2, 3)), np.ones((4, 2, 3, 3)), np.ones((3, 2, 3, 2))):
        with pytest.raises(ValueError, match=r"weight must have shape \(3, 2, 3, 3\)"):
            layer.weight = wrong
    with pytest.raises(TypeError, match="int64"):
        layer.weight = np.ones((3, 2, 3, 3), np.int64)
    assert same_bits(layer(x), expected)
    layer.bias = np.ones(3, np.float32)
    assert same_bits(layer(x), expected + 1)
    with pytest.raises(ValueError, match="bias must have shape"):
        layer.bias = np.ones(2)
    layer.bias = None
    assert same_bits(layer(x), expected)


def test_assignment_takes_over_a_float_dtype():
    layer = pyconv.nn.Conv1d(2, 3, 3, bias=False)
    x = np.random.default_rng(0).standard_normal((1, 2, 30))
    assert layer(x.astype(np.float32)).dtype == np.float32
    layer.weight = layer.weight.astype(np.float64)
    assert layer.weight.dtype == np.float64
    assert same_bits(layer(x), pyconv.conv1d(x, layer.weight))
    narrow = x.astype(np.float32)
    assert same_bits(layer(narrow), pyconv.conv1d(narrow, layer.weight))
    layer.weight = layer.weight.astype(np.float32)
    assert same_bits(layer(x), pyconv.conv1d(x, layer.weight))  # float64: nothing is narrowed
    assert layer(x).dtype == np.float64


def test_copies_and_pickles_compute_the_same():
    layer = pyconv.nn.Conv2d(3, 17, 3, padding=1, activation="relu")
    x = np.random.default_rng(0).standard_normal((1, 3, 8, 8), np.float32)
    before = layer(x)
    for clone in (copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert same_bits(clone(x), before)
        with pytest.raises(ValueError, match="read-only"):
            clone.weight[...] = 0
        clone.weight = np.zeros(clone.weight.shape, np.float32)
        assert same_bits(layer(x), before)


def test_layer_refuses_what_the_function_refuses():
    layer = pyconv.nn.Conv2d(3, 5, 3)
    with pytest.raises(ValueError, match=r"3 \* 1"):
        layer(np.ones((1, 4, 8, 8), np.float32))
    with pytest.raises(ValueError, match="kernel must fit"):
        layer(np.ones((1, 3, 2, 8), np.float32))
    with pytest.raises(TypeError, match="float16"):
        pyconv.nn.Conv2d(3, 5, 3, dtype=np.float16)

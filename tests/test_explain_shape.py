"""pyconv.explain_shape and pyconv.receptive_field against torch."""

import numpy as np
import pytest
import torch
from explain_problems import convolutions, poolings
from hypothesis import given, settings
from hypothesis import strategies as st

import pyconv
from pyconv._explain.shape import axis_names


@given(convolutions())
def test_convolution_shapes_are_torchs(problem):
    a = problem.arguments
    explained = pyconv.explain_shape(
        problem.x.shape, problem.w.shape, a["stride"], a["padding"], a["dilation"], a["groups"]
    )
    sides = [side for pads in reversed(a["padding"]) for side in pads]
    padded = torch.nn.functional.pad(torch.from_numpy(problem.x), sides)
    function = getattr(torch.nn.functional, f"conv{problem.x.ndim - 2}d")
    result = function(
        padded, torch.from_numpy(problem.w), stride=a["stride"], dilation=a["dilation"], groups=a["groups"]
    )
    assert explained.shape == tuple(result.shape)


@given(poolings())
def test_pooling_shapes_and_their_formula(drawn):
    kind, problem = drawn
    explained = pyconv.explain_shape(
        problem.x,
        problem.arguments["kernel_size"],
        problem.arguments["stride"],
        problem.arguments["padding"],
        problem.arguments.get("dilation", 1),
        ceil_mode=problem.arguments["ceil_mode"],
    )
    kept = {k: v for k, v in problem.arguments.items() if k not in ("divisor_override", "count_include_pad")}
    function = getattr(torch.nn.functional, f"{kind}_pool{problem.x.ndim - 2}d")
    assert explained.shape == tuple(function(torch.from_numpy(problem.x), **kept).shape)
    # The text ends every axis with the number it explains.
    for extent in explained.shape[2:]:
        assert f" = {extent}" in str(explained)


@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.integers(1, 2))
def test_what_is_never_read(size, kernel, stride, padding, dilation):
    """Exactly the positions without a gradient are reported."""
    from pyconv._explain.shape import never_read

    explained = pyconv.explain_shape((1, 1, size), (1, 1, kernel), stride, padding, dilation)
    (axis,) = explained.axes
    if explained.shape is None:
        assert "the kernel spans" in str(explained)
        assert "does not fit" in explained.to_svg()
        return
    x = torch.zeros(1, 1, size + 2 * padding, requires_grad=True)
    torch.nn.functional.conv1d(x, torch.ones(1, 1, kernel), stride=stride, dilation=dilation).sum().backward()
    unread = np.flatnonzero(x.grad[0, 0].numpy() == 0) - padding
    assert never_read(axis) == tuple(unread)
    assert ("never read" in str(explained)) == (axis.unused > 0)


def test_a_dropped_last_window_is_explained():
    """torch's rule for ceil_mode: no window starts in the padding at the end."""
    explained = pyconv.explain_shape((1, 1, 4), 2, 3, 1, ceil_mode=True)
    assert explained.shape == (1, 1, 2)
    assert "would start in the padding" in str(explained)


def test_the_only_window_may_hang_over_the_end():
    """ceil_mode again: a kernel wider than the input still has one window, as in torch."""
    explained = pyconv.explain_shape((1, 1, 8), 10, ceil_mode=True)
    x = torch.arange(8.0)[None, None]
    assert explained.shape == torch.nn.functional.max_pool1d(x, 10, ceil_mode=True).shape == (1, 1, 1)
    assert "hangs over the end by 2" in str(explained)
    assert pyconv.explain_pool(x, 10, ceil_mode=True).value == 7
    mean = pyconv.explain_pool(x, 10, ceil_mode=True, kind="avg")
    assert (mean.divisor, mean.value) == (8, 3.5)
    assert mean.check(), str(mean.check())


def ones(*shape):
    return np.ones(shape, np.float32)


# A call whose kernel does not fit, and what pyconv.explain_shape is asked about it.
TOO_LARGE = {
    "conv1d": (lambda: pyconv.conv1d(ones(1, 2, 6), ones(3, 2, 9), padding=1), ((1, 2, 6), (3, 2, 9), 1, 1)),
    "conv2d": (
        lambda: pyconv.conv2d(ones(1, 4, 6, 7), ones(2, 2, 3, 3), stride=2, dilation=(1, 4), groups=2),
        ((1, 4, 6, 7), (2, 2, 3, 3), 2, 0, (1, 4), 2),
    ),
    "conv3d": (
        lambda: pyconv.conv3d(ones(2, 6, 7, 8), ones(1, 2, 7, 1, 1), padding="valid"),
        ((2, 6, 7, 8), (1, 2, 7, 1, 1)),
    ),
    "layer": (lambda: pyconv.nn.Conv1d(2, 3, 9)(ones(1, 2, 6)), ((1, 2, 6), (3, 2, 9))),
    "max_pool2d": (lambda: pyconv.max_pool2d(ones(1, 1, 8, 9), 9, 2), ((1, 1, 8, 9), (9, 9), 2)),
    "avg_pool1d": (lambda: pyconv.nn.AvgPool1d(9, 2)(ones(1, 1, 4)), ((1, 1, 4), 9, 2)),
    "plan": (lambda: pyconv.plan("c2h4w4_k1r3s6p0:1x0:1"), ((1, 2, 4, 4), (1, 2, 3, 6), 1, ((0, 1),) * 2)),
    "testing": (
        lambda: pyconv.testing.error_bound(ones(1, 2, 6), ones(3, 2, 9), padding=1),
        ((1, 2, 6), (3, 2, 9), 1, 1),
    ),
    "explain": (
        lambda: pyconv.explain(ones(1, 2, 6), ones(3, 2, 9), padding=1),
        ((1, 2, 6), (3, 2, 9), 1, 1),
    ),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_the_error_of_a_kernel_that_does_not_fit_is_this_text(name):
    call, question = TOO_LARGE[name]
    explained = pyconv.explain_shape(*question)
    assert explained.shape is None
    (rule,) = (
        axis.rule(title)
        for title, axis in zip(axis_names(explained.operator.rank), explained.axes, strict=True)
        if not axis.out
    )
    assert rule in str(explained)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        call()
    assert rule in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (((1, 3, 8, 8), (4, 2, 3, 3)), ["reads 2", "has 3"]),
        (((3, 8), (3, 3)), ["(3, 8)", "(3, 3)"]),
        (((1, 3, -8), 3), ["negative"]),
    ],
)
def test_shape_refusals(arguments, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are asserted one by one
        pyconv.explain_shape(*arguments)
    for word in words:
        assert word in str(caught.value)


LAYER = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2))


@settings(max_examples=40)
@given(st.lists(LAYER, min_size=1, max_size=4))
def test_receptive_field_is_where_the_gradient_comes_from(settings_of_layers):
    layers = [torch.nn.Conv1d(1, 1, k, s, p, d, bias=False) for k, s, p, d in settings_of_layers]
    for layer in layers:
        torch.nn.init.ones_(layer.weight)
    field = pyconv.receptive_field([*layers[:1], torch.nn.ReLU(), *layers[1:]])
    assert field == pyconv.receptive_field(layers)
    (size,), (jump,) = field.size, field.jump
    length = 3 * size + 4 * jump + 40
    x = torch.zeros(1, 1, length, requires_grad=True)
    y = torch.nn.Sequential(*layers)(x)
    position = y.shape[-1] // 2
    y[0, 0, position].backward()
    touched = np.flatnonzero(x.grad[0, 0].numpy())
    (seen,) = field.at(position)
    assert (touched[0], touched[-1]) == (seen[0], seen[-1])
    assert len(str(field).splitlines()) == len(layers) + 1


def test_receptive_field_of_given_numbers():
    field = pyconv.receptive_field([{"kernel_size": (3, 5), "padding": (1, 2)}, ((2, 2), (2, 2))])
    assert field.size == (4, 6)
    assert field.jump == (2, 2)
    assert field.start == (-1, -2)
    with pytest.raises(ValueError, match="at least one layer"):
        pyconv.receptive_field([])


def test_receptive_field_opens_containers_and_never_guesses():
    nn = torch.nn
    conv = nn.Conv2d(1, 1, 3, 2)
    plain = pyconv.receptive_field([conv, conv])
    assert pyconv.receptive_field(nn.Sequential(nn.Sequential(conv, nn.ReLU()), nn.Sequential(conv))) == plain
    mine = pyconv.nn.Conv2d(1, 1, 3, 2)
    assert pyconv.receptive_field([mine, mine]).size == plain.size == (7, 7)
    block = nn.TransformerEncoderLayer(4, 1)
    for layer in (nn.AdaptiveAvgPool2d(1), nn.ConvTranspose2d(1, 1, 3), nn.Upsample(scale_factor=2), block):
        with pytest.raises(ValueError, match=type(layer).__name__):
            pyconv.receptive_field([conv, layer])
    with pytest.raises(ValueError, match="needs a kernel_size"):
        pyconv.receptive_field([{"stride": 2}])

"""pyconv.explain_shape and pyconv.receptive_field against torch."""

import numpy as np
import pytest
import torch
from explain_problems import convolutions, poolings
from hypothesis import given, settings
from hypothesis import strategies as st

import pyconv


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

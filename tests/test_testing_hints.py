"""assert_conv_close names the mistake: each one is made on purpose, where it does not change the size."""

import numpy as np
import pytest
import torch

from pyconv.testing import assert_conv_close, explain_diff

RNG = np.random.default_rng(11)
X = RNG.standard_normal((2, 4, 9, 8)).astype(np.float32)
W = RNG.standard_normal((4, 4, 3, 3)).astype(np.float32)
B = RNG.standard_normal(4).astype(np.float32)
NOISE = RNG.standard_normal((2, 4, 9, 8)).astype(np.float32)
FRAME = np.pad(np.zeros((7, 6), np.float32), 1, constant_values=1)


def conv(x=X, w=W, b=B, pad_value=0.0, mode="constant"):
    padded = np.pad(
        x,
        ((0, 0), (0, 0), (1, 1), (1, 1)),
        mode,
        **({"constant_values": pad_value} if mode == "constant" else {}),
    )
    return torch.nn.functional.conv2d(*(torch.from_numpy(a.copy()) for a in (padded, w, b))).numpy()


MISTAKES = {
    "flipped kernel": conv(w=W[:, :, ::-1, ::-1]),
    "last two dimensions swapped": conv(w=W.swapaxes(2, 3)),
    "output and input channels swapped": conv(w=W.swapaxes(0, 1)),
    "without the bias": conv(b=0 * B),
    "bias added twice": conv(b=2 * B),
    "padding_mode='replicate'": conv(mode="edge"),
    "padding_mode='circular'": conv(mode="wrap"),
    "padding_mode='reflect'": conv(mode="reflect"),
    "with 1 instead of 0 in the padding": conv(pad_value=1.0),
    "with -128 instead of 0 in the padding": conv(pad_value=-128.0),
    "one element too late along w": np.roll(conv(), 1, axis=3),
    "one element too early along h": np.roll(conv(), -1, axis=2),
    "only windows that touch the padding": conv() + FRAME * NOISE,
    "everything with out_ch < 2 of 4 is right": np.concatenate([conv()[:, :2], NOISE[:, 2:]], axis=1),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_mistake_is_named(mistake):
    with pytest.raises(AssertionError) as caught:
        assert_conv_close(MISTAKES[mistake].astype(np.float32), None, X, W, B, padding=1)
    hints = [line for line in str(caught.value).splitlines() if line.startswith("Hint: ")]
    assert mistake in hints[0]


def test_another_layout_is_named_whether_or_not_the_shape_tells():
    wrong = np.moveaxis(conv(), 1, -1)
    assert "in the order (0, 2, 3, 1)" in explain_diff(wrong, None, X, W, B, padding=1)
    square = np.random.default_rng(2).standard_normal((2, 4, 7, 7)).astype(np.float32)
    right = torch.nn.functional.conv2d(*map(torch.from_numpy, (square, W, B)), padding=1).numpy()
    report = explain_diff(right.swapaxes(2, 3).copy(), None, square, W, B, padding=1)
    assert "in the order (0, 1, 3, 2)" in report


def test_the_worst_element_is_explained():
    """Its products stand in the report, whatever the layout of the result."""
    wrong = conv()
    wrong[1, 2, 3, 4] += 1
    spot = f"output[1, 2, 3, 4] = {conv()[1, 2, 3, 4]:.2f}"
    assert spot in explain_diff(wrong, None, X, W, B, padding=1)
    assert spot not in explain_diff(wrong, None, X, W, B, padding=1, terms=False)
    moved = [np.moveaxis(array, 1, -1) for array in (wrong, X)]
    report = explain_diff(
        moved[0], None, moved[1], W, B, padding=1, data_format="channels_last", activation="relu"
    )
    assert "(before activation)" in report
    assert "conv2d  output[" in report
    single = explain_diff(wrong[1], None, X[1], W, B, padding=1)
    assert "output[0, 2, 3, 4]" in single


def test_noise_gets_no_wrong_name():
    with pytest.raises(AssertionError) as caught:
        assert_conv_close(conv() + NOISE, None, X, W, B, padding=1)
    assert "Hint: this is" not in str(caught.value)

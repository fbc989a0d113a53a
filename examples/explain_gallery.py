"""One picture for every parameter of convolution and pooling: python explain_gallery.py [folder]

The documentation shows these pictures; run the script to draw them again, or to change the numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import pyconv
from pyconv._explain import Explanation, ShapeExplanation

RNG = np.random.default_rng(7)
X = RNG.integers(0, 9, (1, 1, 6, 6))
TWO = RNG.integers(0, 9, (1, 2, 5, 5))
LINE = RNG.integers(0, 9, (1, 1, 10))
W = np.array([[[[1, 0, -1], [2, 0, -2], [1, 0, -1]]]])
W2 = RNG.integers(-2, 3, (2, 2, 3, 3))
TAPS = np.array([[[1, 2, -1]]])

# file name: (title, one sentence, picture)
GALLERY: dict[str, tuple[str, str, Callable[[], Explanation | ShapeExplanation]]] = {
    "convolution": (
        "One output element",
        "The window's elements times the kernel's, added up: that is all.",
        lambda: pyconv.explain(X, W, at=(0, 0, 1, 2)),
    ),
    "channels": (
        "Channels and bias",
        "Every input channel has its own kernel; the channels' sums and the bias are added.",
        lambda: pyconv.explain(TWO, W2, [3, -1], at=(0, 1, 1, 1)),
    ),
    "conv1d": (
        "One dimension",
        "The same along a line: weights and products stand under the elements they belong to.",
        lambda: pyconv.explain(LINE, TAPS, [1], at=(0, 0, 4)),
    ),
    "conv3d": (
        "Three dimensions",
        "The kernel has a depth too: its slices lie on neighbouring slices of the input.",
        lambda: pyconv.explain(
            np.arange(64).reshape(1, 1, 4, 4, 4) % 7,
            np.array([[W[0, 0], -W[0, 0]]])[None],
            at=(0, 0, 1, 0, 1),
        ),
    ),
    "stride": (
        "stride",
        "The window moves by two, so the output has half as many elements.",
        lambda: pyconv.explain(X, W, stride=2, padding=1, at=(0, 0, 1, 1)),
    ),
    "padding": (
        "padding",
        "A border of zeros lets the window's middle reach the edge of the input.",
        lambda: pyconv.explain(X, W, padding=1, at=(0, 0, 0, 0)),
    ),
    "same": (
        'padding="same" with an even kernel',
        "The output keeps the input's size; the odd element of padding goes to the end, as in PyTorch.",
        lambda: pyconv.explain(LINE, np.array([[[1, 2, 3, 4]]]), padding="same", at=(0, 0, 0)),
    ),
    "reflect": (
        'padding_mode="reflect"',
        "The border mirrors the input without repeating its edge.",
        lambda: pyconv.explain(X, W, padding=1, padding_mode="reflect", at=(0, 0, 0, 0)),
    ),
    "replicate": (
        'padding_mode="replicate"',
        "The border repeats the edge.",
        lambda: pyconv.explain(X, W, padding=1, padding_mode="replicate", at=(0, 0, 0, 0)),
    ),
    "circular": (
        'padding_mode="circular"',
        "The border continues at the other side.",
        lambda: pyconv.explain(X, W, padding=1, padding_mode="circular", at=(0, 0, 0, 0)),
    ),
    "dilation": (
        "dilation",
        "The taps lie two elements apart: a wider view with the same nine weights.",
        lambda: pyconv.explain(X, W, dilation=2, at=(0, 0, 1, 1)),
    ),
    "groups": (
        "groups",
        "With as many groups as channels (depthwise) an output channel reads one input channel only.",
        lambda: pyconv.explain(TWO, W2[:, :1], groups=2, at=(0, 1, 1, 1)),
    ),
    "max_pool": (
        "max pooling",
        "No weights: the largest element wins, the first of equal ones; padding never does.",
        lambda: pyconv.explain_pool(X, 3, 2, 1, at=(0, 0, 1, 1)),
    ),
    "avg_pool": (
        "average pooling",
        "The sum divided by the window's size; here the padding counts.",
        lambda: pyconv.explain_pool(X, 3, 2, 1, kind="avg", at=(0, 0, 0, 0)),
    ),
    "ceil_mode": (
        "ceil_mode",
        "A last window may hang over the end; what hangs over does not exist and is not counted.",
        lambda: pyconv.explain_pool(X[..., :5], 2, 2, ceil_mode=True, kind="avg", at=(0, 0, 1, 2)),
    ),
    "shape": (
        "The output's size",
        "How many windows fit, and what they never read.",
        lambda: pyconv.explain_shape((1, 1, 10), (1, 1, 3), stride=2),
    ),
}


def draw(folder: Path) -> None:
    """Draw every picture, and a Markdown page that shows them: gallery.md."""
    folder.mkdir(parents=True, exist_ok=True)
    page = []
    for name, (title, sentence, picture) in GALLERY.items():
        drawn = picture()
        drawn.save(folder / f"{name}.svg")
        first = str(drawn).partition("\n")[0]
        page.append(f"## {title}\n\n{sentence}\n\n![{first}]({folder.name}/{name}.svg)\n")
    (folder / "gallery.md").write_text("\n".join(page), encoding="utf-8")


def main(folder: Path) -> None:
    draw(folder)
    for name, (title, sentence, _) in GALLERY.items():
        print(f"{name}.svg: {title}. {sentence}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output"))

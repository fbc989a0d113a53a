"""*Convolution explained*, the text this library started from, with pyconv: python convolution_explained.py

A Conv1d and a MaxPool1d run on a small random input; then the first output of every channel is computed
again by hand. What the text could not find, a good diagram of one output element, is written beside:
convolution.svg, max_pool.svg, convolution_2d.svg and the interactive convolution.html.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import pyconv


def main(folder: Path) -> None:
    """Run the text from its first line to its last; pictures go to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(11)
    in_ch, out_ch, length, kernel_size = 2, 3, 11, 4

    print("a batch of one, two input channels, eleven steps")
    x = rng.standard_normal((1, in_ch, length)).astype(np.float32)
    conv = pyconv.nn.Conv1d(in_ch, out_ch, kernel_size, rng=rng)
    hidden = conv(x)
    print(f"Conv1d({in_ch}, {out_ch}, {kernel_size}): {x.shape} -> {hidden.shape}")
    pooled = pyconv.max_pool1d(hidden, 2)
    print(f"MaxPool1d(2): {hidden.shape} -> {pooled.shape}\n")

    print(f"its parameters: weight {conv.weight.shape}, bias {conv.bias.shape}")
    print("the first output of every channel, by hand: (x[:, :, :4] * W).sum() + b")
    for channel in range(out_ch):
        by_hand = (x[:, :, :kernel_size] * conv.weight[channel]).sum() + conv.bias[channel]
        print(f"  channel {channel}: {by_hand:.6f} by hand, {hidden[0, channel, 0]:.6f} by pyconv")
    print(f"{_torch(x, conv.weight, conv.bias, hidden, pooled)}\n")

    first = pyconv.explain(x, conv.weight, conv.bias, at=(0, 0, 0))
    print(f"{first}\n\n{first.check()}\n")
    print(pyconv.explain_pool(hidden, 2, at=(0, 1, 0)), "\n")
    print(pyconv.explain_shape(x, conv.weight), "\n")

    first.save(folder / "convolution.svg")
    first.save(folder / "convolution.html")
    pyconv.explain_pool(hidden, 2, at=(0, 1, 0)).save(folder / "max_pool.svg")
    image, weight = rng.integers(0, 9, (1, 2, 5, 5)), rng.integers(-2, 3, (1, 2, 3, 3))
    pyconv.explain(image, weight, [1], padding=1, at=(0, 0, 1, 2)).save(folder / "convolution_2d.svg")
    print("pictures:", *sorted(path.name for path in folder.iterdir()))


def _torch(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, hidden: np.ndarray, pooled: np.ndarray
) -> str:
    """The same two layers in PyTorch, if it is installed: the largest differences."""
    try:
        import torch
    except ImportError:
        return "(PyTorch is not installed: nothing to compare with)"
    tensors = [torch.from_numpy(np.array(array)) for array in (x, weight, bias)]
    theirs = torch.nn.functional.conv1d(*tensors)
    far = [
        float(np.abs(theirs.numpy() - hidden).max()),
        float(np.abs(torch.nn.functional.max_pool1d(theirs, 2).numpy() - pooled).max()),
    ]
    return f"the same in PyTorch: off by at most {far[0]:.1e} (convolution) and {far[1]:.1e} (max pooling)"


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output"))

"""A convolution over words: which three words made this feature large? python text_cnn.py

Every token is a column, every dimension of its embedding an input channel; a kernel of three taps looks
at three words at a time, and max pooling over the sentence keeps the strongest place. `explain` then says
which words and which dimensions it was. Writes text_cnn.svg and text_cnn.html.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import pyconv

SENTENCE = "the plot was thin but the actors were really good fun"
DIMENSIONS = (
    "praise",
    "blame",
    "stress",
    "noun",
)  # a hand-made embedding, so that the numbers mean something
EMBEDDING = {
    "the": (0.0, 0.0, 0.0, 0.1),
    "plot": (0.0, 0.0, 0.0, 1.0),
    "was": (0.0, 0.0, 0.0, 0.0),
    "thin": (-0.3, 0.8, 0.1, 0.0),
    "but": (0.0, 0.2, 0.2, 0.0),
    "actors": (0.1, 0.0, 0.0, 1.0),
    "were": (0.0, 0.0, 0.0, 0.0),
    "really": (0.1, 0.0, 1.0, 0.0),
    "good": (1.0, -0.4, 0.0, 0.0),
    "fun": (0.9, -0.2, 0.1, 0.6),
}
# One feature, "stressed praise": a stressed word, then praise, with blame counting against it.
WEIGHT = np.array([[[0.2, 0.9, 0.7], [-0.3, -0.8, -0.5], [1.0, 0.1, 0.0], [0.0, 0.0, 0.2]]])
BIAS = np.array([-0.5])


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    words = SENTENCE.split()
    x = np.array([EMBEDDING[word] for word in words]).T[None]  # (1, embedding, tokens)
    feature = pyconv.conv1d(x, WEIGHT, BIAS, padding=1)
    best = pyconv.explain_pool(feature, len(words), labels=words).argmax
    assert best is not None
    place = best[-1]
    print(f"{SENTENCE!r}: the feature is largest, {feature[0, 0, place]:.2f}, at {words[place]!r}\n")
    e = pyconv.explain(x, WEIGHT, BIAS, padding=1, at=(0, 0, place), labels=words)
    for name, total in sorted(zip(DIMENSIONS, e.channel_sums, strict=True), key=lambda pair: -pair[1]):
        print(f"  {name:7} {total:+.2f}")
    print(f"\n{e}")
    e.save(folder / "text_cnn.svg")
    e.save(folder / "text_cnn.html")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-output"))

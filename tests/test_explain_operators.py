"""A new operator is one description: a transposed convolution, stated here, gets everything else."""

from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from pyconv._explain.axes import Read
from pyconv._explain.evaluate import evaluate
from pyconv._explain.explanation import Explanation
from pyconv._explain.operators import Operator


@dataclass(frozen=True)
class TransposedAxis:
    """Output o gets input i through tap t where ``i * stride + t = o + padding``."""

    size: int
    taps: int
    stride: int
    padding: int

    border = (0, 0)

    @property
    def out(self):
        return (self.size - 1) * self.stride + self.taps - 2 * self.padding

    def source(self, position):
        return position

    def reads(self, output):
        found = []
        for tap in range(self.taps):
            position, rest = divmod(output + self.padding - tap, self.stride)
            if rest == 0 and 0 <= position < self.size:
                found.append(Read(tap, position, position))
        return tuple(found)


@dataclass(frozen=True)
class Transposed(Operator):
    @property
    def name(self):
        return f"conv_transpose{self.rank}d"

    @property
    def settings(self):
        return {"stride": str(self.axes[0].stride), "padding": str(self.axes[0].padding)}

    def channels(self, out_ch):
        return range(self.in_ch)

    def weight_index(self, out_ch, channel, tap):
        return (channel, out_ch, *tap)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_transposed_convolution_from_its_description(rank):
    rng = np.random.default_rng(rank)
    x = rng.standard_normal((1, 2, *(4,) * rank))
    w = rng.standard_normal((2, 3, *(3,) * rank))
    b = rng.standard_normal(3)
    operator = Transposed(1, 2, 3, tuple(TransposedAxis(4, 3, 2, 1) for _ in range(rank)))
    expected = getattr(torch.nn.functional, f"conv_transpose{rank}d")(
        *map(torch.from_numpy, (x, w, b)), stride=2, padding=1
    ).numpy()
    assert operator.out_shape == expected.shape
    np.testing.assert_allclose(evaluate(operator, x, w, b, 0, 2), expected[0, 2], rtol=1e-12, atol=1e-12)
    for position in (0, 1, 2, 5):
        at = (0, 2, *(position,) * rank)
        e = Explanation(operator, at, x, w, b)
        assert e.value == pytest.approx(expected[at], rel=1e-12)
        assert str(e).startswith(f"conv_transpose{rank}d  output")
        assert ElementTree.fromstring(e.to_svg()) is not None
        assert "conv_transpose" in e.to_html()
        assert e.check(), "nothing to compare with is no failure"

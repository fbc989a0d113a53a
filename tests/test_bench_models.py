"""The layers of a model are found with their sizes, whatever it was written in."""

import sys
import types

import pytest

from pyconv.bench import models
from pyconv.bench.problem_string import format_case, parse_case

torch = pytest.importorskip("torch")


class Small(torch.nn.Module):
    """Two equal layers, a pooling, and what a benchmark of convolutions leaves alone."""

    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 8, 3, stride=2, padding=(1, 0))
        self.body = torch.nn.Sequential(
            *(torch.nn.Conv2d(8, 8, 3, padding=2, dilation=2, bias=False) for _ in "ab")
        )
        self.pool = torch.nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.last = torch.nn.Linear(8, 2)

    def forward(self, x):
        return self.last(self.pool(self.body(self.stem(x))).mean((2, 3)))


def test_layers_of_a_torch_module(monkeypatch):
    importable = types.ModuleType("a_users_module")
    importable.Small = Small
    monkeypatch.setitem(sys.modules, "a_users_module", importable)
    cases = models.extract("a_users_module:Small", "2x3x20x17")
    assert [(format_case(case), case.count, case.name) for case in cases] == [
        ("n2c3h20w17_k8r3s3p1x0u2_f32_bias", 1, "stem"),
        ("n2c8h10w8_k8r3s3p2l2_f32", 2, "body.0"),
        ("n2c8h10w8_maxr3s3p1u2_f32_ceil", 1, "pool"),
    ]


def test_layers_of_an_onnx_file(tmp_path):
    onnx = pytest.importorskip("onnx")
    from pyconv.bench import data, onnx_model

    case = parse_case("n2c4h9w8_k6r3s2p1:0x2:1u2x1g2_f32_bias")
    path = tmp_path / "one.onnx"
    path.write_bytes(onnx_model.build(case, data.make_data(case)))
    assert onnx.load(path).graph.node[0].op_type == "Conv"
    (found,) = models.extract(str(path), "")
    assert format_case(found) == format_case(case)
    assert found.network == "one"


def test_a_model_without_layers_is_refused():
    with pytest.raises(ValueError, match="no convolution or pooling"):
        models.extract("torch.nn:Identity", "1x3x8x8")

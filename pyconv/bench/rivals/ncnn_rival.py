"""ncnn: a one-layer network with constant weights, float32 throughout. It knows batch 1 and 2-D only."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from pyconv.bench.cases import Case
from pyconv.bench.data import Data
from pyconv.bench.rivals.base import (
    CHANNELS_FIRST,
    Prepared,
    Rival,
    Setup,
    Unsupported,
    as_given,
    given,
    needs_conv,
    needs_float32,
)


def prepare(case: Case, data: Data, setup: Setup) -> Prepared:
    import ncnn

    needs_conv(case)
    needs_float32(case)
    if case.ndim != 2 or case.batch != 1:
        raise Unsupported("2-D and batch 1 only")
    network = ncnn.Net()
    network.opt.num_threads = setup.threads
    for option in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
        setattr(network.opt, option, False)  # its defaults would compute in half precision
    network.load_param_mem(_parameters(case))
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "model.bin"
        weights.write_bytes(_weights(data))
        network.load_model(str(weights))
    x = ncnn.Mat(data.input[0]).clone()

    def call() -> object:
        extractor = network.create_extractor()
        extractor.input("x", x)
        return extractor.extract("y")[1]

    note = "float32 storage and arithmetic, Winograd allowed"
    stated = given(case, CHANNELS_FIRST, network.opt.num_threads, note, packed=True)
    return Prepared(call, lambda y: np.array(y)[None], stated)


def _parameters(case: Case) -> str:
    """ncnn's text format; the numbers are the parameter ids of its Convolution layer."""
    layer = "Convolution" if case.groups == 1 else "ConvolutionDepthWise"
    (k_h, k_w), (s_h, s_w), (d_h, d_w) = case.kernel, case.stride, case.dilation
    ids = {0: case.out_ch, 1: k_w, 11: k_h, 2: d_w, 12: d_h, 3: s_w, 13: s_h}
    ids |= {4: case.pad_begin[1], 14: case.pad_begin[0], 15: case.pad_end[1], 16: case.pad_end[0]}
    ids |= {5: int(case.bias), 6: int(np.prod(case.weight_shape)), 7: case.groups}
    text = " ".join(f"{key}={value}" for key, value in ids.items())
    return f"7767517\n2 2\nInput in 0 1 x\n{layer} layer 1 1 x y {text}\n"


def _weights(data: Data) -> bytes:
    assert data.weight is not None
    plain_float32 = np.zeros(1, np.int32).tobytes()
    bias = b"" if data.bias is None else data.bias.tobytes()
    return plain_float32 + data.weight.tobytes() + bias


RIVAL = Rival("ncnn", prepare, as_given, requires=("ncnn",), layouts=(CHANNELS_FIRST,))

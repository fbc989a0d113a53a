"""OpenVINO: a one-node model with constant weights, compiled for latency in float32."""

from __future__ import annotations

import io

import numpy as np

from pyconv.bench import onnx_model
from pyconv.bench.cases import POOLS, Case
from pyconv.bench.data import Data
from pyconv.bench.rivals.base import (
    CHANNELS_FIRST,
    Given,
    Prepared,
    Rival,
    Setup,
    Unsupported,
    as_given,
    needs_float32,
    weights_given,
)


def prepare(case: Case, data: Data, setup: Setup) -> Prepared:
    import openvino as ov

    needs_float32(case)  # OpenVINO would convert float64 to float32 in silence
    if case.op == POOLS[-1]:
        raise Unsupported("ONNX has no adaptive pooling")
    core = ov.Core()
    config = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": setup.threads,
        "INFERENCE_PRECISION_HINT": "f32",  # by default it computes in bfloat16 where the CPU has it
    }
    compiled = core.compile_model(core.read_model(io.BytesIO(onnx_model.build(case, data))), "CPU", config)
    if compiled.get_property("INFERENCE_NUM_THREADS") != setup.threads:
        raise Unsupported(f"does not run with {setup.threads} threads")
    request = compiled.create_infer_request()
    x = setup.place(data.input)
    request.set_input_tensor(ov.Tensor(x, shared_memory=True))
    given = Given(
        CHANNELS_FIRST,
        weights_given(case, packed=True),
        "compiled for latency, float32, input shared, output reused",
    )
    return Prepared(request.infer, lambda _: np.array(request.get_output_tensor().data), given, keep=x)


RIVAL = Rival("openvino", prepare, as_given, requires=("openvino", "onnx"), layouts=(CHANNELS_FIRST,))

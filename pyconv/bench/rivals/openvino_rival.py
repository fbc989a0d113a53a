"""OpenVINO: a one-node model with constant weights, compiled for latency in float32."""

from __future__ import annotations

import io

import numpy as np

from pyconv.bench import onnx_model
from pyconv.bench.cases import POOLS, Case
from pyconv.bench.data import Data
from pyconv.bench.rivals.base import (
    CHANNELS_FIRST,
    Prepared,
    Rival,
    Setup,
    Unsupported,
    as_given,
    given,
    needs_float32,
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
    request = compiled.create_infer_request()
    x = setup.place(data.input)
    request.set_input_tensor(ov.Tensor(x, shared_memory=True))
    threads = compiled.get_property("INFERENCE_NUM_THREADS")
    note = "compiled for latency, input shared, output reused"
    stated = given(case, CHANNELS_FIRST, threads, note, packed=True)
    return Prepared(request.infer, lambda _: np.array(request.get_output_tensor().data), stated, keep=x)


RIVAL = Rival("openvino", prepare, as_given, requires=("openvino", "onnx"), layouts=(CHANNELS_FIRST,))

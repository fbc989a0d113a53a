"""ONNX Runtime: a one-node model with constant weights, input and output bound ahead of time."""

from __future__ import annotations

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
)


def prepare(case: Case, data: Data, setup: Setup) -> Prepared:
    import onnxruntime as ort

    if case.op == POOLS[-1]:
        raise Unsupported("ONNX has no adaptive pooling")
    options = ort.SessionOptions()
    options.intra_op_num_threads = setup.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Workers spin while a call runs and stop with it: otherwise they disturb whoever is measured next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        session = ort.InferenceSession(
            onnx_model.build(case, data), options, providers=["CPUExecutionProvider"]
        )
    except ort.capi.onnxruntime_pybind11_state.NotImplemented as error:
        raise Unsupported(str(error).splitlines()[0]) from error
    x, output = setup.place(data.input), np.empty(case.output_shape, case.dtype)
    binding = session.io_binding()
    binding.bind_cpu_input("x", x)
    binding.bind_ortvalue_output("y", ort.OrtValue.ortvalue_from_numpy(output))
    run = session.run_with_iobinding
    threads = session.get_session_options().intra_op_num_threads
    note = "bound input and output, spinning stops with the call"
    stated = given(case, CHANNELS_FIRST, threads, note, packed=True)
    return Prepared(lambda: run(binding), lambda _: binding.copy_outputs_to_cpu()[0], stated, keep=x)


RIVAL = Rival("onnxruntime", prepare, as_given, requires=("onnxruntime", "onnx"), layouts=(CHANNELS_FIRST,))

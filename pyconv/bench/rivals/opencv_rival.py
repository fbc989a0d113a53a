"""OpenCV's dnn module: a one-node ONNX model with constant weights."""

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
    given,
    needs_float32,
)


def set_threads(threads: int) -> int:
    import cv2

    cv2.setNumThreads(threads)
    reported: int = cv2.getNumThreads()
    return reported


def prepare(case: Case, data: Data, setup: Setup) -> Prepared:
    import cv2

    needs_float32(case)
    x = setup.place(data.input)
    if case.op == POOLS[-1]:
        raise Unsupported("ONNX has no adaptive pooling")
    try:
        network = cv2.dnn.readNetFromONNX(np.frombuffer(onnx_model.build(case, data), np.uint8))
        network.setInput(x)
        network.forward()
    except cv2.error as error:
        raise Unsupported(f"refuses the model: {str(error).strip().splitlines()[-1][:120]}") from error

    def call() -> object:
        network.setInput(x)  # without it OpenCV would return the result it already has
        return network.forward()

    note = "input set and output copied in each call"
    stated = given(case, CHANNELS_FIRST, cv2.getNumThreads(), note, packed=True)
    return Prepared(call, np.asarray, stated)


RIVAL = Rival("opencv", prepare, set_threads, requires=("cv2", "onnx"), layouts=(CHANNELS_FIRST,))

"""The main job, seen: the example of "Convolution explained", a photograph, and a table of real layers."""

from __future__ import annotations

import argparse
import importlib.resources
import importlib.util
import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

PARTS = ("seed", "photo", "table")
PRINTED_TO = 5e-4  # the text prints four decimals of inputs that were themselves rounded to four
TABLE = {
    "ResNet 3x3": "n1c64h56w56_k64r3s3p1_f32_bias",
    "ResNet 1x1": "n1c64h56w56_k256r1s1_f32_bias",
    "ResNet stem 7x7 /2": "n1c3h224w224_k64r7s7p3u2_f32_bias",
    "VGG 3x3, batch 8": "n8c256h28w28_k256r3s3p1_f32_bias",
    "MobileNet depthwise": "n1c144h56w56_k144r3s3p1g144_f32_bias",
    "video 3x3x3": "n1c64d8h28w28_k64t3r3s3p1_f32_bias",
    "audio, length 3000": "n1c512w3000_k512s3p1u2_f32_bias",
    "double precision 3x3": "n1c64h28w28_k64r3s3p1_f64_bias",
    "max-pool 3x3 /2": "n1c64h112w112_maxr3s3p1u2_f32",
}


def add_arguments(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "demo",
        help="run the example step by step, filter a photograph, time real layers",
        description="Three parts: the seed example of 'Convolution explained' with every number checked, a "
        "photograph through filters and a small network (PNG files), and a table of real layers beside "
        "PyTorch where it is installed. Takes less than two minutes.",
    )
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part (may be repeated)")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for the pictures")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    parts = arguments.part or PARTS
    good = True
    if "seed" in parts:
        good &= run_seed()
    if "photo" in parts:
        run_photo(arguments.output)
    if "table" in parts:
        good &= run_table()
    return 0 if good else 1


def _heading(text: str) -> None:
    print(f"\n{text}\n{'-' * len(text)}")


def seed() -> dict[str, Any]:
    """The numbers that the text prints, as float64 arrays where they are arrays."""
    text = importlib.resources.files("pyconv").joinpath("_data", "seed.json").read_text(encoding="utf-8")
    numbers: dict[str, Any] = json.loads(text)
    return {key: np.array(value) if isinstance(value, list) else value for key, value in numbers.items()}


def run_seed() -> bool:
    """Conv1d and MaxPool1d on the text's numbers; the first output of each channel again by hand."""
    import pyconv

    _heading('1. "Convolution explained": Conv1d and MaxPool1d on the numbers of the text')
    given = seed()
    x, k = given["input"].astype(np.float32), int(given["kernel_size"])
    out_ch, in_ch, _ = given["weight"].shape
    conv = pyconv.nn.Conv1d(in_ch, out_ch, k)
    conv.weight, conv.bias = given["weight"].astype(np.float32), given["bias"].astype(np.float32)
    y = conv(x)
    pooled = pyconv.max_pool1d(y, int(given["max_pool_kernel"]))
    print(f"input            {x.shape}   one signal, {in_ch} channels, {x.shape[2]} samples")
    for name, parameter in zip(("weight", "bias"), conv.parameters(), strict=True):
        _show(name, parameter)
    _show("conv1d", y)
    _show("max_pool1d", pooled)
    good = _by_hand(x, conv.weight, conv.bias, y, k)
    for name, ours, printed in (
        ("conv1d", y, given["conv_output"]),
        ("max_pool1d", pooled, given["max_pool_output"]),
    ):
        distance = float(np.abs(ours - printed).max())
        good &= distance <= PRINTED_TO
        print(f"{name} against the printed text: largest difference {distance:.1e}, allowed {PRINTED_TO:g}")
    print("all numbers agree" if good else "THE NUMBERS DO NOT AGREE")
    return good


def _show(name: str, array: Array) -> None:
    print(f"{name:<16} {array.shape}\n{textwrap.indent(np.array2string(array, precision=4), '  ')}")


def _by_hand(x: Array, weight: Array, bias: Array, y: Array, k: int) -> bool:
    """y[0, oc, 0] = (x[:, :, :k] * weight).sum(channels, taps) + bias, product by product."""
    import pyconv

    print(f"\nthe first output of each channel by hand: (x[:, :, :{k}] * W).sum(channels, taps) + b")
    products = x[:, :, :k].astype(np.float64) * weight
    by_hand = products.sum(axis=(1, 2)) + bias
    allowed = pyconv.testing.error_bound(x, weight, bias)[0, :, 0]
    for oc in range(len(weight)):
        rows = [" ".join(f"{p:+.4f}" for p in row) for row in products[oc]]
        print(
            f"  channel {oc}: [{'] + ['.join(rows)}] {bias[oc]:+.4f} = {by_hand[oc]:+.6f}"
            f"   conv1d {y[0, oc, 0]:+.6f}"
        )
    equal = bool((np.abs(by_hand - y[0, :, 0]) <= allowed).all())
    verdict = "equal" if equal else "NOT EQUAL"
    print(f"  {verdict} within the rounding of a float32 sum (at most {allowed.max():.1e})")
    return equal


def run_photo(folder: Path) -> None:
    """Filters and a small conv/pool stack over a real photograph; every result is written as PNG."""
    _heading("2. A photograph through filters and a small network")
    if importlib.util.find_spec("matplotlib") is None:
        print("skipped: it needs matplotlib, which carries the photograph and writes the PNG files.")
        print("         pip install 'pyconv-kernels[plot]'")
        return
    import matplotlib
    import matplotlib.image

    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    photo = matplotlib.image.imread(path)
    print(f"{path.name}: {photo.shape[1]} x {photo.shape[0]} pixels, height x width x colour in memory")
    # Seen as (batch, channel, height, width) these strides are channels-last: nothing is copied.
    x = np.moveaxis(photo.astype(np.float32) / 255, -1, 0)[None]
    pictures = {"input": photo, **filters(x), **stack(x)}
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        file = folder / f"{name}.png"
        matplotlib.image.imsave(
            file, picture, cmap="gray", vmin=0, vmax=1 if picture.dtype.kind == "f" else 255
        )
    file = folder / "overview.png"
    _write_overview(pictures, file)
    print(
        f"written: {', '.join(f'{name}.png' for name in pictures)} and {file} with all of them side by side"
    )


def filters(x: Array) -> dict[str, Array]:
    """Edges (Sobel on the luminance) and a Gaussian blur (a depthwise convolution)."""
    import pyconv

    grey = pyconv.conv2d(x, np.array([0.299, 0.587, 0.114], np.float32).reshape(1, 3, 1, 1))
    smooth, slope = np.array([1, 2, 1], np.float32), np.array([-1, 0, 1], np.float32)
    sobel = np.stack([np.outer(smooth, slope), np.outer(slope, smooth)])[:, None]
    gradient = pyconv.conv2d(grey, sobel, padding=1, padding_mode="reflect")
    edges = np.hypot(gradient[0, 0], gradient[0, 1])
    taps = np.exp(-0.5 * (np.arange(-9, 10) / 3.5) ** 2)
    gaussian = np.outer(taps, taps) / taps.sum() ** 2
    kernel = np.repeat(gaussian[None, None].astype(np.float32), 3, axis=0)
    blur = pyconv.conv2d(x, kernel, padding="same", groups=3, padding_mode="reflect")
    for name, w, y in (("edges", sobel, gradient), ("blur", kernel, blur)):
        print(f"  {name:<8} {x.shape} * {w.shape} -> {y.shape}")
    return {"edges": np.clip(edges / np.percentile(edges, 99.5), 0, 1), "blur": np.clip(_pixels(blur), 0, 1)}


def stack(x: Array) -> dict[str, Array]:
    """8 oriented 11x11 filters + ReLU, max-pool, depthwise 5x5 average, max-pool: a first visual layer.

    The picture shows which orientation answers most (hue) and how strongly (brightness).
    """
    import pyconv

    bank = oriented_filters(orientations=8, size=11)
    detect = pyconv.nn.Conv2d(
        3, len(bank), 11, padding=5, bias=False, padding_mode="reflect", activation="relu"
    )
    detect.weight = np.repeat(bank[:, None], 3, axis=1) / 3
    gather = pyconv.nn.Conv2d(len(bank), len(bank), 5, padding=2, groups=len(bank), bias=False)
    gather.weight = np.full((len(bank), 1, 5, 5), 1 / 25, np.float32)
    shapes = [x.shape]
    for layer in (detect, gather):
        x = layer(x)
        shapes.append(x.shape)
        x = pyconv.max_pool2d(x, 2)
        shapes.append(x.shape)
    print(f"  {'stack':<8} {' -> '.join(map(str, shapes))}")
    answers = x[0]
    strength = np.clip(answers.max(axis=0) / np.percentile(answers.max(axis=0), 99), 0, 1)
    tiles = np.clip(answers / np.percentile(answers, 99.5), 0, 1)
    mosaic = np.concatenate(
        [np.concatenate(list(row), axis=1) for row in tiles.reshape(2, 4, *tiles.shape[1:])]
    )
    return {"features": mosaic, "orientation": _hue(answers.argmax(axis=0) / len(bank), strength)}


def oriented_filters(orientations: int, size: int) -> Array:
    """Odd Gabor filters: the derivative of a line at each of `orientations` angles, zero sum, unit length."""
    radius = size // 2
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float64)
    bank = []
    for angle in np.arange(orientations) * np.pi / orientations:
        across = x * np.cos(angle) + y * np.sin(angle)
        gabor = np.exp(-(x**2 + y**2) / (2 * (size / 5) ** 2)) * np.cos(2 * np.pi * across / (size / 1.6))
        gabor -= gabor.mean()
        bank.append(gabor / np.linalg.norm(gabor))
    return np.stack(bank).astype(np.float32)


def _pixels(x: Array) -> Array:
    """(1, channel, height, width) to (height, width, channel)."""
    return np.ascontiguousarray(np.moveaxis(x[0], 0, -1))


def _hue(hue: Array, brightness: Array) -> Array:
    """A colour wheel of constant saturation."""
    phase = (hue[..., None] + np.array([0, 2 / 3, 1 / 3])) * 2 * np.pi
    return np.asarray(brightness[..., None] * (0.5 + 0.5 * np.cos(phase)))


def _write_overview(pictures: dict[str, Array], file: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    titles = {
        "input": "input",
        "edges": "Sobel edges",
        "blur": "Gaussian blur 19x19, depthwise",
        "features": "conv + ReLU + pool: 8 orientations",
        "orientation": "strongest orientation (hue)",
    }
    figure = Figure(figsize=(16, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    widths = [picture.shape[1] / picture.shape[0] for picture in pictures.values()]
    for axes, (name, picture) in zip(
        figure.subplots(1, len(pictures), width_ratios=widths), pictures.items(), strict=True
    ):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
        axes.set_title(titles[name], fontsize=11)
        axes.set_axis_off()
    figure.savefig(file, dpi=100)


def run_table() -> bool:
    """Real layers: time, GFLOP/s, share of the FMA peak of the same run, and PyTorch beside it."""
    from pyconv.bench import engine, machine, quick_table
    from pyconv.bench.problem_string import parse_case
    from pyconv.bench.progress import progress

    _heading("3. Real layers on this machine, one thread, both memory layouts, the faster one shown")
    conditions = quick_table.conditions(threads=1)
    ceilings = machine.measure_ceilings(machine.current_isa(), ["float32", "float64"])
    results = []
    with progress(len(TABLE), "measuring") as step:
        for label, problem in TABLE.items():
            step(label)
            results.append(engine.measure(parse_case(problem), conditions))
    ceilings = machine.best_of(ceilings, machine.measure_ceilings(ceilings.isa, ["float32", "float64"]))
    print(quick_table.render(list(TABLE), results, ceilings))
    faults = [fault for result in results for fault in engine.faults_of(result, ceilings)]
    for fault in faults:
        print(f"NOT TO BE BELIEVED: {fault}")
    return not faults

"""pyconv.testing: the bound against exact arithmetic, the report, exact inputs, strategies, the plugin."""

import subprocess
import sys
from fractions import Fraction
from importlib.metadata import entry_points

import numpy as np
import oracle
import pytest
from hypothesis import HealthCheck, given, settings

import pyconv
from pyconv.testing import CASES, ConvCase, assert_conv_close, error_bound, exact_inputs
from pyconv.testing._definition import define
from pyconv.testing.strategies import conv_cases


@pytest.mark.parametrize("case", CASES, ids=str)
def test_definition_agrees_with_the_oracle(case):
    arguments = case.arguments("exact")
    result = define(**arguments).result()
    assert result.shape == case.out_shape
    assert np.array_equal(result, oracle.conv(**arguments))


def test_the_table_covers_what_it_says():
    assert len(CASES) > 150
    assert {case.rank for case in CASES} == {1, 2, 3}
    assert {case.padding_mode for case in CASES} == {"zeros", "reflect", "replicate", "circular"}
    assert {max(case.kernel) for case in CASES} >= set(range(1, 8))
    assert {case.out_ch for case in CASES} >= {0, 1, 7, 13, 14, 15, 16, 17, 31, 32, 33, 48}
    assert {0, 1} <= {case.in_ch for case in CASES}
    assert None in {case.batch for case in CASES}


def rational(number):
    return Fraction(float(number))


def exact_sum(x, w):
    """One valid 1-D convolution in rational arithmetic."""
    return [
        [
            sum(
                Fraction(float(x[0, i, p + k])) * Fraction(float(w[o, i, k]))
                for i, k in np.ndindex(w.shape[1:])
            )
            for p in range(x.shape[2] - w.shape[2] + 1)
        ]
        for o in range(w.shape[0])
    ]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_bound_holds_for_any_order_of_the_sum(dtype):
    """Sums rounded at every step, in random orders, against rational arithmetic."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((1, 4, 12)).astype(dtype), rng.standard_normal((3, 4, 5)).astype(dtype)
    exact, bound = exact_sum(x, w), error_bound(x, w)[0]
    worst = 0.0
    for _ in range(20):
        order = rng.permutation(20)
        for o, p in np.ndindex(bound.shape):
            total = dtype(0)
            for term in order:
                i, k = divmod(term, 5)
                total = dtype(total + dtype(x[0, i, p + k] * w[o, i, k]))
            worst = max(worst, abs(float(rational(total) - exact[o][p])) / bound[o, p])
    assert 0.02 < worst <= 1


def test_bound_of_an_algorithm_is_the_smaller_one():
    case = ConvCase(in_ch=400, out_ch=3, size=(5, 6), kernel=(3, 3))
    arguments = case.arguments("dense")
    general, direct = error_bound(**arguments), error_bound(**arguments, algorithm="direct")
    assert np.all(direct < general / 4)
    with pytest.raises(ValueError, match="fft"):
        error_bound(**arguments, algorithm="fft")


def test_bound_scales_and_covers_bias_and_residual():
    case = ConvCase(in_ch=3, out_ch=2, size=(9,), kernel=(3,), bias=True, residual=True)
    arguments = case.arguments("dense")
    bound = error_bound(**arguments)
    assert np.allclose(error_bound(**(arguments | {"dtype": np.float64})) / bound, 2.0**-29)
    silent = arguments | {"input": np.zeros_like(arguments["input"])}
    eps = np.finfo(np.float32).eps
    parts = np.abs(arguments["bias"])[:, None] + np.abs(arguments["residual"])
    assert np.allclose(error_bound(**silent), (9 + 2) * eps / 2 * parts, rtol=1e-4)
    with pytest.raises(TypeError, match="floating-point"):
        error_bound(np.ones((1, 1, 3), int), np.ones((1, 1, 2), int))
    with pytest.raises(ValueError, match="lose every digit"):
        error_bound(np.ones((1, 5000, 1), np.float16), np.ones((1, 5000, 1), np.float16))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("products", [1, 9, 500, 4608])
def test_exact_inputs_cannot_round(dtype, products):
    if dtype is np.float16 and products == 4608:
        with pytest.raises(ValueError, match=r"4608 products.* up to 2048 only"):
            exact_inputs((1, products, 4), (3, products, 1), dtype=dtype)
        return
    shape = (2, products, 4)
    asked = {"bias": True, "residual_shape": (2, 3, 4), "dtype": dtype, "rng": 1}
    x, w, b, r = exact_inputs(shape, (3, products, 1), **asked)
    assert {a.dtype for a in (x, w, b, r)} == {np.dtype(dtype)}
    assert all(np.all(a != 0) and np.all(a == np.round(a)) for a in (x, w, b, r))
    largest = products * float(np.abs(x).max()) * float(np.abs(w).max()) + 2 * float(np.abs(b).max())
    assert largest <= 2.0 ** (np.finfo(dtype).nmant + 1)
    again = exact_inputs(shape, (3, products, 1), **asked)
    assert all(np.array_equal(a, c) for a, c in zip((x, w, b, r), again, strict=True))


CASE = ConvCase(
    in_ch=4,
    out_ch=6,
    size=(9, 8),
    kernel=(3, 3),
    padding=((1, 1), (0, 2)),
    groups=2,
    bias=True,
    residual=True,
    activation="relu",
    padding_mode="reflect",
)


def report(actual, desired=None, **arguments):
    with pytest.raises(AssertionError) as caught:
        assert_conv_close(actual, desired, **arguments)
    return str(caught.value)


def test_report_of_one_wrong_element():
    arguments = CASE.arguments("dense")
    actual = pyconv.conv2d(**arguments)
    assert_conv_close(actual, None, **arguments)
    assert_conv_close(actual, oracle.conv(**arguments), **arguments)
    actual[0, 5, 3, 4] += 1
    text = report(actual, **arguments, err_msg="my kernel")
    assert text.startswith(
        "\nNot equal to the convolution within its error bound (float32, algorithm='highest')"
    )
    for line in (
        "my kernel",
        "Mismatched elements: 1 / 432 (0.231%)",
        "Worst element: [0, 5, 3, 4], off by 1",
        "inside: 1 of",
        "everything with out_ch < 5 of 6 is right",
        " ACTUAL: array",
        " DESIRED: array",
    ):
        assert line in text
    assert "DESIRED: " not in report(actual, **arguments, verbose=False)


@pytest.mark.parametrize(
    ("mistake", "change"),
    [
        ("for a flipped kernel", lambda a: {"weight": a["weight"][..., ::-1, ::-1]}),
        ("last two dimensions swapped", lambda a: {"weight": a["weight"].swapaxes(2, 3)}),
        ("without the bias", lambda a: {"bias": None}),
        ("without the residual", lambda a: {"residual": None}),
        ("without the activation", lambda a: {"activation": None}),
        ("with padding_mode='zeros'", lambda a: {"padding_mode": "zeros"}),
        ("begin and end padding swapped", lambda a: {"padding": ((1, 1), (2, 0))}),
        ("groups interleaved", lambda a: {"input": a["input"][:, [0, 2, 1, 3]]}),
    ],
)
def test_hint_names_the_mistake(mistake, change):
    arguments = CASE.arguments("dense")
    wrong = pyconv.conv2d(**(arguments | change(arguments)))
    hint = next(line for line in report(wrong, **arguments).splitlines() if line.startswith("Hint: "))
    assert mistake in hint


def test_hint_for_reversed_padding_dimensions():
    case = ConvCase(in_ch=2, out_ch=3, size=(8, 8), kernel=(3, 3), padding=((0, 2), (1, 1)))
    arguments = case.arguments("dense")
    wrong = pyconv.conv2d(**(arguments | {"padding": ((1, 1), (0, 2))}))
    assert "F.pad starts at the last" in report(wrong, **arguments)


def test_hint_for_low_precision_and_for_borders():
    case = ConvCase(in_ch=8, out_ch=9, size=(9, 9), kernel=(3, 3), padding=1)
    arguments = case.arguments("dense")
    rounded = {name: arguments[name].astype(np.float16).astype(np.float32) for name in ("input", "weight")}
    assert "TF32 or float16" in report(pyconv.conv2d(**(arguments | rounded)), **arguments)
    actual = pyconv.conv2d(**arguments)
    actual[..., 0] += 100
    assert "only windows that touch the padding are wrong" in report(actual, **arguments)


def test_shapes_and_non_finite_values():
    arguments = ConvCase(in_ch=1, out_ch=1, size=(6,), kernel=(2,)).arguments("dense")
    good = pyconv.conv1d(**arguments)
    assert "(1, 1, 4), (1, 1, 5)" in report(good[..., :-1], **arguments)
    assert "desired" in report(good, good[..., :-1], **arguments)
    for value in (np.nan, np.inf):
        spoilt = arguments | {"input": arguments["input"].copy()}
        spoilt["input"][0, 0, 2] = value
        result = pyconv.conv1d(**spoilt)
        assert_conv_close(result, None, **spoilt)
        assert "Mismatched elements: 2 / 5" in report(good, **spoilt)
        assert "Mismatched elements: 2 / 5" in report(result, **arguments)


@settings(deadline=None, derandomize=True, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(conv_cases())
def test_strategy_draws_valid_problems_only(case):
    assert min(case.out_shape) >= 1
    assert str(case)
    assert case.arguments("exact")["input"].shape == case.input_shape


def test_plugin_runs_the_table(tmp_path):
    (tmp_path / "test_mine.py").write_text(
        "import numpy as np, pytest, pyconv\n"
        "from pyconv.testing import assert_conv_close\n"
        "@pytest.mark.conv_rank(1)\n"
        "def test_mine(conv_case):\n"
        "    arguments = conv_case.arguments('exact')\n"
        "    assert_conv_close(pyconv.conv1d(**arguments), None, **arguments)\n"
    )
    installed = any(ep.value == "pyconv.testing._plugin" for ep in entry_points(group="pytest11"))
    load = [] if installed else ["-p", "pyconv.testing._plugin"]
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--strict-markers",
            *load,
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )
    passed = sum(case.rank == 1 for case in CASES)
    assert f"{passed} passed" in done.stdout, done.stdout + done.stderr

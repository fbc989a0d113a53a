"""pyconv.explain as data: the terms, the exact value, and the libraries within the bound of it."""

import json
import math
from fractions import Fraction
from importlib.resources import files

import numpy as np
import pytest
import torch
from explain_problems import convolutions, poolings
from hypothesis import given

import pyconv
from pyconv.testing import error_bound

functional = torch.nn.functional
SEED = json.loads(files("pyconv").joinpath("_data", "seed.json").read_text(encoding="utf-8"))


@given(convolutions(dtypes=(np.float32, np.float64, np.float16)))
def test_value_is_the_exact_sum_rounded_once(problem):
    e = pyconv.explain(problem.x, problem.w, problem.b, **problem.arguments, at=problem.at)
    exact = problem.value()
    assert e.value == float(exact)
    terms = [Fraction(t.x) * Fraction(t.w) for t in e.terms]
    assert sum(terms) + (0 if e.bias is None else Fraction(e.bias)) == exact
    for channel, total in zip(e.channels, e.channel_sums, strict=True):
        assert total == float(sum(f for t, f in zip(e.terms, terms, strict=True) if t.channel == channel))


@given(convolutions())
def test_terms_are_the_window(problem):
    """Every term reads the element it names, in the kernel's order; only the border is padding."""
    e = pyconv.explain(problem.x, problem.w, problem.b, **problem.arguments, at=problem.at)
    inputs, weights = problem.window()
    assert [t.x for t in e.terms] == inputs.ravel().tolist()
    assert [t.w for t in e.terms] == weights.ravel().tolist()
    for t in e.terms:
        inside = all(0 <= p < size for p, size in zip(t.position, problem.x.shape[2:], strict=True))
        assert t.is_padding != inside
        assert t.product == t.x * t.w
        if t.index is None:
            assert t.is_padding
            assert t.x == 0
        else:
            assert problem.x[t.index] == t.x
            assert t.index[:2] == (problem.at[0], t.channel)
            assert t.is_padding or t.index[2:] == t.position


@given(convolutions())
def test_pyconv_and_torch_are_within_the_bound(problem):
    check = pyconv.explain(problem.x, problem.w, problem.b, **problem.arguments, at=problem.at).check()
    assert {row.library for row in check.rows if not row.note} == {"pyconv", "torch"}, str(check)
    assert check, str(check)


@given(convolutions())
def test_pyconv_and_torch_are_within_error_bound(problem):
    """The public bound, about the exact value; in fractions, so that the comparison does not round."""
    e = pyconv.explain(problem.x, problem.w, problem.b, **problem.arguments, at=problem.at)
    bound = error_bound(problem.x, problem.w, problem.b, **problem.arguments)[problem.at]
    # value itself was rounded to double precision, once.
    allowed = Fraction(bound) + Fraction(abs(e.value)) / 2**52
    name = f"conv{problem.x.ndim - 2}d"
    with pyconv.options(precision="highest"):
        ours = getattr(pyconv, name)(problem.x, problem.w, problem.b, **problem.arguments)
    padded = problem.padded()
    settings = {key: problem.arguments[key] for key in ("stride", "dilation", "groups")}
    tensors = [None if a is None else torch.from_numpy(a) for a in (padded, problem.w, problem.b)]
    theirs = getattr(functional, name)(*tensors, **settings).numpy()
    for result in (ours, theirs):
        assert abs(Fraction(float(result[problem.at])) - Fraction(e.value)) <= allowed


@given(convolutions(dtypes=(np.int8, np.int64)))
def test_integers_are_exact(problem):
    e = pyconv.explain(problem.x, problem.w, problem.b, **problem.arguments, at=problem.at)
    assert isinstance(e.value, int)
    assert e.value == problem.value()


@given(poolings(kinds=("max",)))
def test_max_pooling_is_torchs(drawn):
    """Value and index: NaN wins, ties go to the first, padding never does."""
    _, problem = drawn
    rank = problem.x.ndim - 2
    expected, indices = getattr(functional, f"max_pool{rank}d_with_indices")(
        torch.from_numpy(problem.x), **problem.arguments
    )
    at = problem.at[:2] + tuple(p % o for p, o in zip(problem.at[2:], expected.shape[2:], strict=True))
    e = pyconv.explain_pool(problem.x, **problem.arguments, at=at)
    assert e.operator.out_shape == tuple(expected.shape)
    np.testing.assert_equal(e.value, expected[at].item())
    if e.argmax is not None:
        flat = np.ravel_multi_index(e.argmax[2:], problem.x.shape[2:])
        assert flat == indices[at].item()
        np.testing.assert_equal(float(problem.x[e.argmax]), e.value)
    assert e.check(), str(e.check())


@given(poolings(kinds=("avg",)))
def test_average_pooling_is_torchs(drawn):
    _, problem = drawn
    rank = problem.x.ndim - 2
    expected = getattr(functional, f"avg_pool{rank}d")(
        torch.from_numpy(problem.x).double(), **problem.arguments
    )
    at = problem.at[:2] + tuple(p % o for p, o in zip(problem.at[2:], expected.shape[2:], strict=True))
    e = pyconv.explain_pool(problem.x, **problem.arguments, kind="avg", at=at)
    assert e.operator.out_shape == tuple(expected.shape)
    assert e.value == float(sum(Fraction(t.x) for t in e.terms) / e.divisor)
    assert math.isclose(e.value, expected[at].item(), rel_tol=1e-12, abs_tol=1e-12)
    assert e.check(), str(e.check())


def test_the_seed_text():
    """The numbers of *Convolution explained*, printed there with four decimals."""
    x, w, b = (np.array(SEED[name], np.float32) for name in ("input", "weight", "bias"))
    for out_ch, printed in enumerate(SEED["first_outputs"]):
        e = pyconv.explain(x, w, b, at=(0, out_ch, 0))
        assert abs(e.value - printed) < 5e-4
        assert e.value == pytest.approx(float((x[:, :, :4] * w[out_ch]).sum() + b[out_ch]), abs=1e-6)
    hidden = torch.from_numpy(np.array(SEED["conv_output"], np.float32))
    pooled = pyconv.explain_pool(hidden, SEED["max_pool_kernel"], at=(0, 2, 0))
    assert pooled.value == pytest.approx(SEED["max_pool_output"][0][2][0])
    assert pooled.argmax == (0, 2, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_values_follow_ieee(value):
    x, w = np.ones((1, 2, 5), np.float32), np.ones((1, 2, 3), np.float32)
    x[0, 1, 2] = value
    e = pyconv.explain(x, w, at=(0, 0, 0))
    np.testing.assert_equal(e.value, value)
    np.testing.assert_equal(e.channel_sums, (3.0, value))
    assert e.check(), str(e.check())
    x[0, 0, 2] = -value
    assert math.isnan(pyconv.explain(x, w, at=(0, 0, 0)).value)
    assert pyconv.explain(x[:, :, 3:], w, padding=1, at=(0, 0, 0)).value == 4.0


def test_cancellation_that_summation_loses():
    x = np.array([[[1e16, 1.0, -1e16]]])
    assert pyconv.explain(x, np.ones((1, 1, 3))).value == 1.0
    assert pyconv.explain(np.full((1, 1, 2), 1e200), np.full((1, 1, 2), 1e200)).value == math.inf


def test_complex_numbers():
    x, w = np.array([[[1 + 2j, 3j]]]), np.array([[[2 - 1j, 1 + 1j]]])
    e = pyconv.explain(x, w, np.array([1j]))
    assert e.value == (1 + 2j) * (2 - 1j) + 3j * (1 + 1j) + 1j
    assert "<svg" in e.to_svg()
    assert "<svg" in e.to_html()


def test_16_bit_floats_accumulate_in_float32():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    rng = np.random.default_rng(3)
    for dtype in (np.float16, ml_dtypes.bfloat16):
        x = rng.standard_normal((1, 8, 6)).astype(dtype)
        w = rng.standard_normal((2, 8, 3)).astype(dtype)
        check = pyconv.explain(x, w, at=(0, 1, 2)).check()
        assert check, str(check)
        assert any(row.library == "torch" and not row.note for row in check.rows)


def test_the_check_sees_a_wrong_result(monkeypatch):
    right = pyconv.conv1d
    monkeypatch.setattr(
        pyconv, "conv1d", lambda *args, **kwargs: right(*args, **kwargs) * np.float32(1 + 1e-5)
    )
    x, w = np.ones((1, 1, 4), np.float32), np.ones((1, 1, 3), np.float32)
    check = pyconv.explain(x, w).check()
    assert not check
    assert "TOO FAR" in str(check)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_same_padding_puts_the_odd_element_at_the_end():
    x, w = np.arange(1.0, 6.0).reshape(1, 1, 5), np.ones((1, 1, 4))
    for o in range(5):
        e = pyconv.explain(x, w, padding="same", at=(0, 0, o))
        assert e.value == functional.conv1d(torch.from_numpy(x), torch.from_numpy(w), padding="same")[0, 0, o]
    assert [t.position for t in pyconv.explain(x, w, padding="same").terms] == [(-1,), (0,), (1,), (2,)]


def test_unbatched_negative_and_tensor_arguments():
    layer = torch.nn.Conv2d(2, 3, 3)
    x = torch.randn(2, 5, 5)
    e = pyconv.explain(x, layer.weight, layer.bias, at=(-1, -1, -1))
    assert e.at == (0, 2, 2, 2)
    assert e.value == pytest.approx(layer(x)[2, 2, 2].item(), rel=1e-5)
    assert e.check()
    assert pyconv.explain_pool(x, (2, 2), at=(1, 0, 0)).value == x[1, :2, :2].max()


def test_any_strides_byte_order_and_read_only_arrays():
    rng = np.random.default_rng(4)
    x = rng.standard_normal((2, 7, 3)).astype(">f4").transpose(0, 2, 1)[:, :, ::-1]
    w = np.broadcast_to(rng.standard_normal((2, 3, 1)).astype(np.float32), (2, 3, 3))
    x.flags.writeable = False
    plain = [np.array(a, np.float32, order="C") for a in (x, w)]
    e = pyconv.explain(x, w, padding=1, at=(1, 1, 0))
    assert e.value == pyconv.explain(*plain, padding=1, at=(1, 1, 0)).value
    assert e.check(), str(e.check())
    assert str(e)
    assert e.to_html()


CALL = {"x": np.ones((1, 4, 6)), "w": np.ones((2, 4, 3))}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"at": (0, 0, 9)}, ["(1, 2, 4)", "(0, 0, 9)"]),
        ({"at": (0, 0)}, ["3 numbers", "(0, 0)"]),
        ({"w": np.ones((2, 4, 9))}, ["the kernel spans 9 elements", "the padded input has 6"]),
        ({"w": np.ones((2, 6, 3))}, ["reads 6", "has 4", "channels-last"]),
        ({"groups": 3}, ["groups 3", "in_ch 4"]),
        ({"b": np.ones(3)}, ["(2,)", "(3,)"]),
        ({"stride": 0}, ["stride", "at least 1", "0"]),
        ({"padding": "same", "stride": 2}, ["stride 1", "2"]),
        ({"padding": 6, "padding_mode": "reflect"}, ["smaller than the input", "6 elements"]),
        ({"padding": 1, "padding_mode": "mirror"}, ["reflect", "mirror"]),
        ({"labels": ["a"]}, ["6 elements", "1 labels"]),
        ({"w": np.ones((2, 4))}, ["3, 4 or 5 dimensions", "(2, 4)"]),
    ],
)
def test_refusals_state_the_rule_and_both_values(change, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are asserted one by one
        pyconv.explain(**(CALL | change))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kernel_size": 3, "padding": 2}, ["at most half", "padding 2", "kernel 3"]),
        ({"kernel_size": 2, "kind": "avg", "dilation": 2}, ["no dilation", "2"]),
        ({"kernel_size": 2, "kind": "min"}, ["max", "min"]),
        ({"kernel_size": 2, "kind": "avg", "divisor_override": 3}, ["avg_pool1d"]),
    ],
)
def test_pooling_refusals(arguments, words):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are asserted one by one
        pyconv.explain_pool(CALL["x"], **arguments)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("x", [np.ma.masked_array(np.ones((1, 1, 3))), [["a"]], np.ones((1, 1, 3), bool)])
def test_what_has_no_product_is_a_type_error(x):
    with pytest.raises(TypeError):
        pyconv.explain(x, np.ones((1, 1, 2)))

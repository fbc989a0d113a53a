"""Winograd's rows: their matrices and declared bound, what they lose in practice, and where tiles lie."""

import numpy as np
import oracle
import pytest
from cases import LAYOUTS, in_layout, run, same_bits

import pyconv
from pyconv import _core
from pyconv.testing import ConvCase, assert_conv_close
from pyconv.testing._bounds import tile_magnitude
from pyconv.testing._definition import define

ROWS = ["winograd_f2", "winograd_c4", "winograd_f4"]
EXACT = ["winograd_f2", "winograd_c4"]  # on integers
OUTPUTS = {"winograd_f2": 2, "winograd_c4": 4, "winograd_f4": 4}
POINTS = {
    "winograd_f2": (0, 1, -1),
    "winograd_c4": (0, 1, -1, 1j, -1j),
    "winograd_f4": (0, 0.75, -0.75, 1.5, -1.5),
}

# (row, kernel, stride, dilation, outputs of a tile): one for each way of taking a kernel apart.
SCHEMES = [
    ("winograd_f2", (3, 3), 1, 1, (2, 2)),
    ("winograd_c4", (3, 3), 1, 1, (4, 4)),
    ("winograd_f4", (3, 3), 1, 1, (4, 4)),
    ("winograd_f2", (3, 3), 1, (2, 3), (2, 2)),
    ("winograd_c4", (3, 3), 1, (3, 2), (4, 4)),
    ("winograd_f2", (2, 2), 1, 1, (3, 3)),
    ("winograd_f2", (3, 3), 2, 1, (3, 3)),  # phases of two taps and of one
    ("winograd_f2", (4, 4), 2, 1, (3, 3)),
    ("winograd_f2", (5, 5), 1, 1, (2, 2)),  # three taps and two
    ("winograd_c4", (5, 5), 1, 1, (4, 4)),
    ("winograd_f4", (5, 5), 1, 1, (4, 4)),
    ("winograd_f2", (5, 5), 2, 1, (2, 2)),
    ("winograd_c4", (5, 5), 2, 1, (4, 4)),
    ("winograd_f4", (5, 5), 2, 1, (4, 4)),
    ("winograd_f4", (7, 7), 1, 1, (4, 4)),  # one tap, three and three
    ("winograd_f2", (7, 7), 2, 1, (3, 3)),
    ("winograd_f4", (3, 7), (1, 3), 1, (4, 4)),
    ("winograd_f2", (4, 4), 3, 1, (3, 3)),
    ("winograd_f2", (7, 7), 4, 1, (3, 3)),  # four parts with neighbouring inputs
    ("winograd_c4", (11, 11), 4, 1, (4, 4)),
    ("winograd_f4", (8, 9), (3, 2), 1, (4, 4)),  # 9: parts of three taps do not follow each other
    ("winograd_c4", (11, 7), 2, 1, (4, 4)),
    ("winograd_c4", (7, 4), (2, 1), 1, (4, 4)),
    ("winograd_f2", (1, 7), 1, 1, (1, 3)),
    ("winograd_c4", (1, 3), 1, 1, (1, 4)),
    ("winograd_c4", (5, 1), (1, 2), (2, 1), (4, 1)),
    ("winograd_f2", (7, 1), (2, 1), 1, (3, 1)),
    ("winograd_f4", (7, 1), (1, 2), (3, 1), (4, 1)),
    ("winograd_f2", (1, 5), (2, 1), (1, 4), (1, 2)),
    ("winograd_f2", (3, 5), (2, 1), 1, (3, 3)),
    ("winograd_f2", (3, 3, 3), (2, 1, 1), 1, (1, 2, 2)),  # outer taps are summed inside the products
    ("winograd_c4", (3, 3, 3), (2, 1, 1), 1, (1, 4, 4)),
    ("winograd_f2", (3, 7, 7), (2, 4, 4), 1, (1, 3, 3)),
    ("winograd_c4", (2, 7, 5), (1, 2, 2), 1, (1, 4, 4)),
    ("winograd_f2", (3, 1, 3), 1, 1, (2, 1, 2)),
    ("winograd_f2", (3, 3, 1), (1, 2, 3), 1, (3, 3, 1)),
    ("winograd_f4", (7, 1, 1), (2, 2, 1), 1, (4, 1, 1)),
]
SCHEME_IDS = [
    "-".join(str(x).replace(" ", "") for x in (row[-2:], kernel, stride, dilation))
    for row, kernel, stride, dilation, _ in SCHEMES
]


def scheme_case(kernel, stride, dilation, **options):
    size = {2: (23, 38), 3: (7, 11, 22)}[len(kernel)]
    options = {"in_ch": 18, "out_ch": 35, "padding": tuple(k // 2 for k in kernel), **options}
    return ConvCase(size=size, kernel=kernel, stride=stride, dilation=dilation, **options)


def matrices(points, taps=3):
    """B (inputs), G (weights), A (outputs) of F(len(points) + 2 - taps, taps) with these and infinity."""
    x = np.array(points)
    outputs, inputs = len(x) + 2 - taps, len(x) + 1
    slope = [np.prod([p - q for q in x if q != p]) for p in x]
    b = [np.poly([q for q in x if q != p])[::-1] for p in x]
    to_panels = np.zeros((inputs, inputs), x.dtype)
    to_panels[:-1, :-1] = b
    to_panels[-1] = np.poly(x)[::-1]
    weights = np.array([[p**i for i in range(taps)] for p in x] / np.reshape(slope, (-1, 1)))
    weights = np.vstack([weights, np.eye(taps)[-1]])
    back = np.array([[*(p**i for p in x), float(i == outputs - 1)] for i in range(outputs)])
    return to_panels, weights, back


def real_panels(b, g, a):
    """Three real products (Gauss) for each complex one of which the conjugate is another panel."""
    real, pairs = [], []
    for i in range(len(b)):
        conjugate = [j for j in range(len(b)) if np.allclose([*b[j], *g[j]], np.conj([*b[i], *g[i]]))]
        assert len(conjugate) == 1
        if conjugate == [i]:
            real.append(i)
        elif conjugate[0] > i:
            pairs.append(i)
    rows_b, rows_g, columns_a = list(b[real].real), list(g[real].real), list(a[:, real].real.T)
    for i in pairs:
        x, y, u, v = b[i].real, b[i].imag, g[i].real, g[i].imag
        # (x + iy)(u + iv) = k1 - k3 + i (k1 + k2); with the conjugate, twice the real part of a times that.
        rows_b += [x + y, x, y]
        rows_g += [u, v - u, u + v]
        columns_a += [2 * (a[:, i].real - a[:, i].imag), -2 * a[:, i].imag, -2 * a[:, i].real]
    return np.array(rows_b), np.array(rows_g), np.array(columns_a).T


def growth(points, dims, taps=3):
    """Largest sum over panels of |A| |G| |B| for one output and one tap: the declared bound's factor."""
    nested = matrices(points, taps)
    if dims == 2:
        nested = tuple(np.kron(m, m) for m in nested)
    b, g, a = (np.abs(m) for m in real_panels(*nested))
    return (a[:, None, :] * g.T[None] * b.sum(axis=1)).sum(axis=2).max()


@pytest.mark.parametrize("row", ROWS)
def test_the_declared_bound_follows_from_the_matrices(row):
    b, g, a = matrices(POINTS[row])
    rng = np.random.default_rng(0)
    inputs, taps = rng.standard_normal(OUTPUTS[row] + 2), rng.standard_normal(3)
    assert np.allclose(a @ ((g @ taps) * (b @ inputs)), np.correlate(inputs, taps, "valid"))
    factors = [
        [_core.error_bound(f"n1c{channels}{text}", row, "medium")[1] for channels in (100, 200)]
        for text in ("w50_k8s3", "h50w50_k8r3s3")
    ]
    # One rounding more for every channel, each grown by one or two passes through the transforms.
    for dims, (few, many) in enumerate(factors, 1):
        assert np.isclose(many - few, 100 * growth(POINTS[row], dims))
        assert few > 100 * growth(POINTS[row], dims)


@pytest.mark.parametrize(("dims", "products", "outputs"), [(1, 7, 4), (2, 46, 16)])
def test_complex_points_need_so_many_products(dims, products, outputs):
    b, g, a = matrices(POINTS["winograd_c4"])
    assert np.abs(b).max() == np.abs(a).max() == 1  # units
    assert set(np.abs(g).ravel()) <= {0, 0.25, 1}
    nested = (b, g, a) if dims == 1 else tuple(np.kron(m, m) for m in (b, g, a))
    assert real_panels(*nested)[2].shape == (outputs, products)


def test_f32_has_the_inputs_and_the_bound_of_f23():
    b, g, a = matrices(POINTS["winograd_f2"], taps=2)
    rng = np.random.default_rng(0)
    inputs, taps = rng.standard_normal(4), rng.standard_normal(2)
    assert np.allclose(a @ ((g @ taps) * (b @ inputs)), np.correlate(inputs, taps, "valid"))
    assert np.array_equal(b, matrices(POINTS["winograd_f2"])[0])
    for dims in (1, 2):
        assert growth(POINTS["winograd_f2"], dims, taps=2) == growth(POINTS["winograd_f2"], dims)


@pytest.mark.parametrize(("row", "kernel", "stride", "dilation", "tile"), SCHEMES, ids=SCHEME_IDS)
@pytest.mark.parametrize("in_ch", [3, 7, 18])  # of fewer than 16, parts lie side by side
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_are_taken_apart(row, kernel, stride, dilation, tile, dtype, in_ch):
    """Tiles as declared; exact on integers or inside the bound; one set of bits in every layout."""
    case = scheme_case(kernel, stride, dilation, in_ch=in_ch, bias=True, residual=True)
    arguments = case.arguments("exact", dtype)
    problem = pyconv.plan(**arguments, algorithm=row).problem
    assert tuple(_core.bound_tile(str(problem), row)[3 - len(kernel) :]) == tile
    result = run(arguments, algorithm=row)
    if row in EXACT:
        assert np.array_equal(result, oracle.conv(**arguments))
    for layout in LAYOUTS:
        assert same_bits(run(arguments, algorithm=row, layout=layout), result)
    arguments = case.arguments("dense", dtype)
    assert_conv_close(run(arguments, algorithm=row), None, **arguments, algorithm=row)


@pytest.mark.parametrize(("row", "kernel", "stride", "dilation", "tile"), SCHEMES, ids=SCHEME_IDS)
def test_non_finite_values_stay_in_their_windows(row, kernel, stride, dilation, tile):
    case = scheme_case(kernel, stride, dilation, in_ch=3)
    arguments = case.arguments("dense")
    rng = np.random.default_rng(0)
    for value in (np.nan, np.inf):
        at = tuple(6 * rng.integers(1 + (size - 1) // 6) for size in case.size)  # where every stride looks
        arguments["input"][(0, 1, *at)] = value
    direct = run(arguments, algorithm="direct")
    for layout in ("channels_first", "channels_last"):
        result = run(arguments, algorithm=row, layout=layout)
        assert np.array_equal(np.isfinite(result), np.isfinite(direct))
        assert np.array_equal(np.isnan(result), np.isnan(direct))
    assert not np.isfinite(direct).all()


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("winograd_f2", "n1c16h9w9_k16r1s1"),
        ("winograd_f2", "n1c16h30w30_k16r3s3u3"),  # one tap a phase
        ("winograd_f2", "n1c16h30w30_k16r3s3u2l2"),  # strided and dilated
        ("winograd_f2", "n1c16h90w90_k16r31s31"),  # too many parts
        ("winograd_f4", "n1c16h30w30_k16r3s3u2"),  # phases of fewer than three taps
        ("winograd_c4", "n1c16h30w30_k16r3s3u2"),
        ("winograd_f4", "n1c16w30_k16s2"),
    ],
)
def test_kernels_that_save_no_products_are_refused(row, text):
    with pytest.raises(ValueError, match="fewer products only along"):
        pyconv.plan(text, algorithm=row)


# What was measured is at most 1.4, 0.8 and 3.8 (docs/algorithms-winograd.md); the declared bound, which holds
# for the worst input there is, would be no test of the kernels.
TYPICAL = {"winograd_f2": 2.0, "winograd_c4": 2.0, "winograd_f4": 6.0}


@pytest.mark.parametrize(
    ("row", "channels", "taps", "stride"),
    [(row, channels, 3, 1) for row in ROWS for channels in (16, 64, 256)]
    + [("winograd_f2", 64, 3, 2), ("winograd_f2", 32, 5, 1), ("winograd_f2", 16, 7, 2)]
    + [(row, 32, 5, 1) for row in ROWS[1:]]
    + [(row, 16, 7, 2) for row in ROWS[1:]],
)
@pytest.mark.parametrize("kind", ["dense", "sparse", "bright"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_measured_error(row, channels, taps, stride, kind, dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, channels, 30, 31)).astype(dtype)
    if kind == "sparse":
        x *= rng.random(x.shape) < 0.1
    if kind == "bright":
        x *= 0
        x[:, :, 14, 13] = 1e4
    w = rng.standard_normal((24, channels, taps, taps)).astype(dtype)
    wide = np.longdouble if dtype == np.float64 else np.float64
    padded = np.pad(x, ((0, 0), (0, 0), *[(taps // 2,) * 2] * 2)).astype(wide)
    height, width = np.arange(0, 30, stride), np.arange(0, 31, stride)  # padded by half a window
    exact = np.zeros((1, 24, len(height), len(width)), wide)
    for h in range(taps):
        for v in range(taps):
            seen = padded[..., height[:, None] + h, width + v]
            exact += np.einsum("oc,bchw->bohw", w[..., h, v].astype(wide), seen)
    options = {"padding": taps // 2, "stride": stride}
    seen = tile_magnitude(define(x, w, **options), np.dtype(dtype), row)
    error = np.abs(pyconv.conv2d(x, w, **options, algorithm=row) - exact)
    assert np.all(error <= TYPICAL[row] * np.finfo(dtype).eps / 2 * seen)
    assert not np.all(error == 0)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("layout", LAYOUTS)
# Four threads cut the channels within a tile of direct's.
@pytest.mark.parametrize(("out_ch", "threads"), [(35, 1), (100, 4)])
def test_a_spoilt_tile_is_computed_again_directly(row, layout, out_ch, threads):
    """Readers of a NaN or infinity, and others of their tile, are direct's bits; other tiles keep theirs."""
    case = ConvCase(
        in_ch=20, out_ch=out_ch, size=(22, 37), kernel=(3, 3), padding=1, bias=True, residual=True
    )
    arguments = case.arguments("dense")
    clean, direct = (run(arguments, algorithm=name) for name in (row, "direct"))
    m = OUTPUTS[row]
    for h, w in ((0, 0), (21, 36), (4, 4), (7, 20)):
        arguments = case.arguments("dense")
        arguments["input"][0, 3, h, w] = np.inf
        spoilt = run(arguments, algorithm=row, layout=layout, num_threads=threads)
        expected = np.where(np.isfinite(spoilt), clean, run(arguments, algorithm="direct"))
        tiles = np.zeros((22, 37), bool)
        for oh in range(max(h - 1, 0), h + 2):
            for ow in range(max(w - 1, 0), w + 2):
                tiles[oh // m * m : oh // m * m + m, ow // m * m : ow // m * m + m] = True
        assert same_bits(spoilt[..., ~tiles], clean[..., ~tiles])
        others = tiles & np.isfinite(spoilt[0, 0])
        assert same_bits(spoilt[..., others], direct[..., others])
        assert same_bits(spoilt[..., ~others & tiles], expected[..., ~others & tiles])
        assert np.isfinite(spoilt).sum() == spoilt.size - out_ch * min(h + 2, 3, 23 - h) * min(
            w + 2, 3, 38 - w
        )


@pytest.mark.parametrize("row", ROWS)
def test_a_value_that_overflows_inside_a_tile_only(row):
    """Panels overflow before the result does: then the result is direct's, not an infinity."""
    x = np.full((1, 2, 9, 9), 3e38, np.float32)
    x[:, 1] = -3e38
    w = np.full((3, 2, 3, 3), 1.0, np.float32)
    w[:, :, 1:] = 0.0
    result = pyconv.conv2d(x, w, algorithm=row)
    assert same_bits(result, pyconv.conv2d(x, w, algorithm="direct"))


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_dilation_is_interleaved_images(row, layout):
    rng = np.random.default_rng(0)
    x = in_layout(rng.standard_normal((2, 18, 25, 31), np.float32), layout, True)
    w = rng.standard_normal((20, 18, 3, 3), np.float32)
    whole = pyconv.conv2d(x, w, padding=(2, 3), dilation=(2, 3), algorithm=row)
    for h in range(2):
        for v in range(3):
            part = np.ascontiguousarray(x[..., h::2, v::3])
            alone = pyconv.conv2d(part, w, padding=1, algorithm=row)
            assert same_bits(np.ascontiguousarray(whole[..., h::2, v::3]), alone), (h, v)


@pytest.mark.parametrize("row", ROWS)
def test_tiles_start_at_the_first_output(row):
    """A larger image leaves the bits of tiles alone that read the same inputs."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 33, 40, 300), np.float32)
    w = rng.standard_normal((7, 33, 3, 3), np.float32)
    whole = pyconv.conv2d(x, w, algorithm=row)
    for height, width in ((6, 6), (10, 38), (38, 290)):
        part = pyconv.conv2d(np.ascontiguousarray(x[..., :height, :width]), w, algorithm=row)
        assert same_bits(part, np.ascontiguousarray(whole[..., : height - 2, : width - 2])), (height, width)


@pytest.mark.parametrize(("in_ch", "out_ch", "groups"), [(256, 330, 1), (960, 1000, 5)])
@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
def test_weights_packed_in_slabs_give_the_layer_s_bits(layout, in_ch, out_ch, groups):
    """Beyond some MB of packed weights the plain function goes through output channels or groups in slabs."""
    case = ConvCase(
        in_ch=in_ch,
        out_ch=out_ch,
        groups=groups,
        size=(9, 10),
        kernel=(3, 3),
        padding=1,
        bias=True,
        residual=True,
    )
    arguments = case.arguments("dense")
    layer = pyconv.nn.Conv2d(in_ch, out_ch, 3, padding=1, groups=groups)
    layer.weight, layer.bias = arguments["weight"], arguments["bias"]
    x, residual = (in_layout(arguments[name], layout, True) for name in ("input", "residual"))
    for row in (*ROWS, "direct"):
        with pyconv.options(algorithm=row):
            assert pyconv.plan(**arguments).packed_bytes > 2**21
            expected = layer(x, residual=residual)
        assert same_bits(run(arguments, algorithm=row, layout=layout), expected)
        assert np.abs(expected - oracle.conv(**arguments)).max() < 1e-2


def test_precision_admits():
    problem = "n1c64h56w56_k64r3s3p1"
    chosen = {}
    for precision in ("highest", "high", "medium"):
        with pyconv.options(precision=precision):
            plan = pyconv.plan(problem)
            chosen[precision] = plan.algorithm
            refused = {c.algorithm: c.refusal for c in plan.candidates if "precision" in c.refusal}
            assert pyconv.plan(problem, algorithm="winograd_f4").algorithm == "winograd_f4"
        assert set(refused) == {"highest": set(ROWS), "high": {"winograd_f4"}, "medium": set()}[precision]
    assert chosen == {"highest": "direct", "high": "winograd_c4", "medium": "winograd_f4"}


def test_auto_leaves_few_outputs_of_strided_parts_to_direct():
    assert pyconv.plan("n1c48h56w56_k16r9s9p4u2_f32").algorithm == "direct"
    assert pyconv.plan("n1c48h56w56_k64r9s9p4u2_f32").algorithm == "winograd_c4"
    assert pyconv.plan("n1c48h56w56_k64r5s5p2u2_f32").algorithm == "winograd_f2"
    assert pyconv.plan("n1c3h224w224_k64r11s11p2u4_f32").algorithm == "winograd_c4"  # parts side by side

"""The interactive page in a real browser, offline: the window moves and the shown sums are right."""

import json

import browser
import numpy as np
import pytest

import pyconv


@pytest.fixture(scope="module")
def page():
    path = browser.find()
    if path is None:
        pytest.skip("no chromium on this machine (apt-get install chromium); CI installs it")
    chromium = browser.Browser(path)
    yield chromium
    chromium.close()


def conv(rank, **arguments):
    """The function from a position to its explanation, on small integers."""
    rng = np.random.default_rng(rank)
    x = rng.integers(-5, 6, (1, 2, *(6,) * rank)).astype(np.float32)
    w = rng.integers(-3, 4, (2, 2, *(3,) * rank)).astype(np.float32)
    b = np.array([7, -7], np.float32)
    return lambda *pos: pyconv.explain(x, w, b, **arguments, at=(0, 1, *pos))


def pool(kind):
    x = np.random.default_rng(5).integers(-5, 6, (1, 2, 6, 6)).astype(np.float32)
    return lambda *pos: pyconv.explain_pool(x, 3, 2, 1, ceil_mode=True, kind=kind, at=(0, 1, *pos))


CASES = {
    "conv1d": (conv(1, padding=1), (2,)),
    "conv1d dilated": (conv(1, dilation=2, padding=2), (3,)),
    "conv2d": (conv(2, padding=1, stride=2), (1, 1)),
    "conv2d circular": (conv(2, padding=2, padding_mode="circular"), (0, 7)),
    "conv3d": (conv(3, padding=1, padding_mode="reflect"), (1, 2, 3)),
    "max pooling": (pool("max"), (0, 0)),
    "average pooling": (pool("avg"), (3, 3)),
}


def shown(page):
    """What the page says about the selected output."""
    return page.run(
        """(() => { const texts = (s) => [...document.querySelectorAll(s)].map((e) => e.textContent);
        return { sum: Number(texts("#sum")[0]), where: texts("#where")[0], here: texts("td.out.here"),
          used: texts("td.used").map(Number), sums: texts("td.sum").map(Number),
          products: texts("td.product").filter((t) => t.trim()).map(Number),
          winners: texts("td.in.winner").map(Number) }; })()"""
    )


def agrees(page, e):
    """The page shows `e`: where, value, the inputs, the products and the channels' sums."""
    state = shown(page)
    assert state["where"].startswith(f"output[{', '.join(map(str, e.at))}] =")
    assert [float(text) for text in state["here"]] == [state["sum"]]
    digits = len(state["where"].partition(".")[2])
    assert abs(state["sum"] - e.value) <= 0.5 * 10.0**-digits + 1e-9
    assert len(state["used"]) == len(e.terms)
    assert set(e.channel_sums) <= set(state["sums"])
    if e.operator.combine == "max":
        assert state["winners"] == [e.value]
        return
    assert sorted(state["used"]) == sorted(t.x for t in e.terms)
    if e.w is not None:
        assert sorted(state["products"]) == sorted(t.product for t in e.terms)
        assert sum(state["products"]) + e.bias == e.value


@pytest.fixture(params=CASES)
def opened(request, page, tmp_path):
    explain, start = CASES[request.param]
    explain(*start).save(tmp_path / "page.html")
    page.open(tmp_path / "page.html")
    yield page, explain, list(start)
    assert page.errors() == []
    assert [url for url in page.requests() if not url.startswith(("file:", "data:"))] == []


KEYS = (
    ("ArrowRight", -1, 1),
    ("ArrowLeft", -1, -1),
    ("ArrowDown", -2, 1),
    ("ArrowUp", -2, -1),
    ("PageDown", -3, 1),
    ("PageUp", -3, -1),
)


def test_arrow_keys_move_the_window(opened):
    page, explain, position = opened
    agrees(page, explain(*position))
    extents = explain(*position).operator.out_shape[2:]
    for key, axis, step in KEYS:
        page.press(key)
        if -axis <= len(position) and 0 <= position[axis] + step < extents[axis]:
            position[axis] += step
        agrees(page, explain(*position))


def test_hovering_an_output_shows_what_it_is_made_of(opened):
    page, explain, _ = opened
    model = json.loads(page.run("document.getElementById('model').textContent"))
    counts = [len(outputs) for outputs in model["outputs"]]
    for flat in (0, int(np.prod(counts)) - 1):
        page.point(f"td.out[data-i='{flat}']")
        where = np.unravel_index(flat, counts)
        agrees(page, explain(*(int(outputs[i]) for outputs, i in zip(model["outputs"], where, strict=True))))


def test_the_slider_reaches_every_output(opened):
    page, explain, _ = opened
    model = json.loads(page.run("document.getElementById('model').textContent"))
    counts = [len(outputs) for outputs in model["outputs"]]
    for flat in {0, int(np.prod(counts)) // 2, int(np.prod(counts)) - 1}:
        page.run(
            f"(() => {{ const s = document.getElementById('slider'); s.value = {flat};"
            "s.dispatchEvent(new Event('input')); })()"
        )
        where = np.unravel_index(flat, counts)
        agrees(page, explain(*(int(outputs[i]) for outputs, i in zip(model["outputs"], where, strict=True))))


def test_hovering_an_input_shows_the_outputs_it_feeds(page, tmp_path):
    explain, start = CASES["conv2d"]
    explain(*start).save(tmp_path / "page.html")
    page.open(tmp_path / "page.html")
    model = json.loads(page.run("document.getElementById('model').textContent"))
    cell = (model["positions"][0].index(3), model["positions"][1].index(1))
    number = cell[0] * len(model["positions"][1]) + cell[1]
    page.run(f"document.querySelectorAll('td.in')[{number}].id = 'pointed'")
    page.point("#pointed")
    fed = page.run("[...document.querySelectorAll('td.out.fed')].map((e) => Number(e.dataset.i))")
    expected = [
        flat
        for flat, o in enumerate(np.ndindex(3, 3))
        if any(t.index == (0, 0, 3, 1) for t in explain(*o).terms)
    ]
    assert fed == expected
    assert f"feeds {len(expected)} of the outputs" in page.run("document.getElementById('feeds').textContent")


def test_the_play_button_moves_and_stops(page, tmp_path):
    explain, _ = CASES["conv1d"]
    explain(0).save(tmp_path / "page.html")
    page.open(tmp_path / "page.html")
    page.click("#play")
    page.run("new Promise((done) => setTimeout(done, 1100))")
    page.click("#play")
    moved = int(page.run("document.getElementById('slider').value"))
    assert moved >= 1
    agrees(page, explain(moved))
    page.run("new Promise((done) => setTimeout(done, 900))")
    assert int(page.run("document.getElementById('slider').value")) == moved


def test_large_tensors_and_special_numbers(page, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, 64, 56, 56)).astype(np.float32)
    w = rng.standard_normal((4, 64, 3, 3)).astype(np.float32)
    x[0, :, 30, 30] = [np.nan, np.inf, *rng.standard_normal(62)]
    e = pyconv.explain(x, w, padding=1, at=(0, 3, 10, 10))
    e.save(tmp_path / "big.html")
    assert (tmp_path / "big.html").stat().st_size < 200_000
    page.open(tmp_path / "big.html")
    state = shown(page)
    assert abs(state["sum"] - e.value) < 1e-3
    assert "58 more" in page.run("document.querySelector('.addition').textContent")
    page.press("ArrowRight")
    assert abs(shown(page)["sum"] - pyconv.explain(x, w, padding=1, at=(0, 3, 10, 11)).value) < 1e-3
    pyconv.explain(x, w, padding=1, at=(0, 3, 30, 30)).save(tmp_path / "nan.html")
    page.open(tmp_path / "nan.html")
    assert page.run("document.getElementById('sum').textContent") == "nan"
    assert page.errors() == []


def test_labels_are_shown_as_text(page, tmp_path):
    words = ["the", "<b>film</b>", "was", "not", "very", "good"]
    e = pyconv.explain(np.ones((1, 2, 6)), np.ones((1, 2, 3)), labels=words)
    e.save(tmp_path / "page.html")
    page.open(tmp_path / "page.html")
    found = page.run("[...document.querySelectorAll('th.word')].map((e) => e.textContent)")
    assert found == words * 2

"""What pyconv.explain draws and prints: the pictures parse, their numbers are read back and add up."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from explain_problems import convolutions, poolings
from hypothesis import given, settings

import pyconv

SVG = "{http://www.w3.org/2000/svg}"


def group(element, name):
    """All groups of one name, in the order they are drawn."""
    return [g for g in element.iter(f"{SVG}g") if g.get("class") == f"pyx-g-{name}"]


def values(element):
    """The exact numbers written inside an element."""
    return [float(text.get("data-value")) for text in element.iter(f"{SVG}text") if text.get("data-value")]


def parse(e):
    return ElementTree.fromstring(e.to_svg())


def explained(problem):
    return pyconv.explain(problem.x, problem.w, problem.b, **problem.arguments, at=problem.at)


def unit(texts):
    """Half a unit in the last place of shown numbers."""
    return 0.5 * 10.0 ** -max((len(text.partition(".")[2]) for text in texts), default=0)


@settings(max_examples=50)
@given(convolutions())
def test_the_numbers_of_the_picture_add_up(problem):
    e = explained(problem)
    root = parse(e)
    products = {}
    for g in group(root, "product"):
        products.setdefault(len(products), values(g))
    hidden = sum(values(g)[0] for g in group(root, "hidden"))
    sums = [values(g)[0] for name in ("channel", "rest") for g in group(root, name)]
    bias = [values(g)[0] for g in group(root, "bias")]
    assert len(e.channels) > 4 or len(sums) == len(e.channels)
    scale = sum(abs(t.product) for t in e.terms) + sum(map(abs, bias))
    drawn = sum(sum(numbers) for numbers in products.values()) + hidden
    assert abs(drawn - sum(sums)) <= 1e-12 * scale
    assert abs(sum(sums) + sum(bias) - e.value) <= 1e-12 * scale
    result = [values(g)[0] for g in group(root, "value")]
    assert result == [e.value]
    assert e.value in values(group(root, "output")[0])


@settings(max_examples=50)
@given(convolutions())
def test_the_shown_digits_are_those_of_the_numbers(problem):
    """A number reads as its exact value, rounded to the decimals that its group is shown with."""
    for text in parse(explained(problem)).iter(f"{SVG}text"):
        if text.get("data-value"):
            exact = float(text.get("data-value"))
            shown = re.search(r"-?[\d.]+(e[+-]\d+)?$", text.text).group()
            if "e" in shown:
                assert abs(float(shown) - exact) <= 0.5e-3 * abs(exact) * 1.01
            else:
                assert abs(float(shown) - exact) <= unit([shown]) * 1.0001


@settings(max_examples=50)
@given(poolings())
def test_the_numbers_of_a_pooling_picture_give_its_value(drawn):
    kind, problem = drawn
    e = pyconv.explain_pool(problem.x, **problem.arguments, kind=kind)
    root = parse(e)
    (result,) = values(group(root, "value")[0])
    np.testing.assert_equal(result, e.value)
    (total,) = values(group(root, "channel")[0])
    if kind == "max":
        np.testing.assert_equal(total, result)
        assert result in [t.x for t in e.terms] or result != result
        return
    (divisor,) = values(group(root, "divisor")[0])
    assert divisor == e.divisor
    assert total == sum(t.x for t in e.terms)
    assert result == (total / divisor if divisor else 0)


@settings(max_examples=30)
@given(convolutions(), poolings())
def test_text_ends_with_the_result_and_needs_no_unicode(problem, drawn):
    kind, pooling = drawn
    for e in (explained(problem), pyconv.explain_pool(pooling.x, **pooling.arguments, kind=kind)):
        text = str(e)
        shown = text.splitlines()[0].partition(" = ")[2]
        assert text.splitlines()[-1].split() == ["output", shown]
        text.encode("latin-1")
        assert e._repr_latex_().startswith("$$ ")
        assert e._repr_latex_().count("{") == e._repr_latex_().count("}")


def test_many_channels_and_large_maps_collapse():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((1, 64, 56, 56)), rng.standard_normal((2, 64, 3, 3))
    e = pyconv.explain(x, w, padding=1, at=(0, 1, 30, 30))
    root = parse(e)
    shown = {int(g.get("data-channel")) for g in group(root, "channel")}
    largest = sorted(range(64), key=lambda c: abs(e.channel_sums[c]))[-4:]
    assert shown == set(largest)
    assert "60 more, sum =" in ElementTree.tostring(root, encoding="unicode")
    assert "60 more, sum =" in str(e)
    assert "56\u00d756" in e.to_svg()
    assert all(len(values(g)) == 25 for g in group(root, "input"))
    assert len(e.to_svg()) < 100_000
    assert len(str(e).splitlines()) < 60


def test_a_window_too_large_to_draw_is_cut_inside():
    x, w = np.arange(400.0).reshape(1, 1, 400), np.ones((1, 1, 99))
    e = pyconv.explain(x, w, at=(0, 0, 150))
    root = parse(e)
    (note,) = group(root, "hidden")
    (text,) = note.iter(f"{SVG}text")
    drawn = values(group(root, "product")[0])
    assert len(drawn) + int(text.get("data-count")) == 99
    assert sum(drawn) + values(note)[0] == e.value == sum(range(150, 249))
    said = re.search(r"\+ (\d+) more, sum (\d+)   sum (\d+)", str(e))
    shown = [int(n) for n in re.search(r"= product(.*?) \+", str(e)).group(1).split()]
    assert len(shown) + int(said.group(1)) == 99
    assert sum(shown) + int(said.group(2)) == int(said.group(3)) == e.value


def test_labels_stand_under_the_input():
    words = ["the", "<film>", "was", "not", "very", "good"]
    e = pyconv.explain(np.ones((1, 2, 6)), np.ones((1, 2, 3)), padding=1, labels=words, at=(0, 0, 3))
    texts = [text.text for text in parse(e).iter(f"{SVG}text")]
    assert [text for text in texts if text in words] == words * 2
    assert all(word in str(e) for word in words)
    assert "<film>" not in e.to_html()


def test_pictures_load_nothing_and_know_dark_mode():
    e = pyconv.explain(np.ones((1, 1, 6)), np.ones((1, 1, 3)))
    assert "prefers-color-scheme:dark" in e.to_svg()
    assert "<style>" not in e.to_svg(theme="light")
    assert "prefers-color-scheme" not in e.to_svg(theme="dark")
    with pytest.raises(ValueError, match="auto, light, dark"):
        e.to_svg(theme="blue")
    for text in (
        e.to_svg(),
        e.to_html(),
        e._repr_html_(),
        pyconv.explain_shape((1, 1, 6), (1, 1, 3)).to_svg(),
    ):
        rest = text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|url\(|@import|\bsrc=|<link(?! rel=\"icon\" href=\"data:,\")", rest)


def test_padding_window_and_winner_differ_by_more_than_colour():
    x = np.array([[[[1.0, 5.0], [5.0, 2.0]]]])
    root = parse(pyconv.explain_pool(x, 2, stride=1, padding=1, at=(0, 0, 1, 1)))
    boxes = {rect.get("class"): rect for rect in root.iter(f"{SVG}rect")}
    assert boxes["pyx-padding"].get("stroke-dasharray")
    assert float(boxes["pyx-winner"].get("stroke-width")) > float(boxes["pyx-used"].get("stroke-width"))
    marked = [g for g in root.iter(f"{SVG}rect") if g.get("class") == "pyx-winner"]
    assert len(marked) == 2, "the first of two equal maxima, in the input and under the window"
    assert "[*5]" in str(pyconv.explain_pool(x, 2, at=(0, 0, 0, 0)))


@pytest.mark.parametrize("suffix", ["svg", "html", "txt"])
def test_save(tmp_path, suffix):
    e = pyconv.explain(np.ones((1, 1, 6)), np.ones((1, 1, 3)))
    path = tmp_path / f"x.{suffix}"
    e.save(path)
    expected = {"svg": e.to_svg(), "html": e.to_html(), "txt": f"{e}\n"}[suffix]
    assert path.read_text(encoding="utf-8") == expected


def test_save_png(tmp_path):
    pytest.importorskip("resvg_py")
    path = tmp_path / "x.png"
    pyconv.explain(np.ones((1, 1, 6)), np.ones((1, 1, 3))).save(str(path))
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert int.from_bytes(content[16:20]) > 800


def test_save_refuses_other_files_and_names_the_extra(tmp_path, monkeypatch):
    e = pyconv.explain(np.ones((1, 1, 6)), np.ones((1, 1, 3)))
    with pytest.raises(ValueError, match=r"\.svg, \.html, \.png or \.txt, got 'x\.gif'"):
        e.save(tmp_path / "x.gif")
    monkeypatch.setitem(__import__("sys").modules, "resvg_py", None)
    with pytest.raises(ImportError, match=r"\[plot\]"):
        e.save(tmp_path / "x.png")
    assert not list(tmp_path.iterdir())


def test_extreme_numbers_are_shown():
    x = np.array([[[1e300, 1e-300, np.inf, np.nan, -0.0, 5.0]]])
    text = str(pyconv.explain(x, np.ones((1, 1, 6))))
    assert "1.000e+300" in text
    assert "nan" in text
    for dtype in (np.uint64, np.int64):
        big = np.full((1, 1, 2), np.iinfo(dtype).max, dtype)
        e = pyconv.explain(big, big)
        assert e.value == 2 * int(np.iinfo(dtype).max) ** 2
        assert parse(e) is not None
        assert e.to_html()


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_without_input_channels_the_bias_remains(rank):
    e = pyconv.explain(np.ones((1, 0, *(4,) * rank)), np.ones((2, 0, *(3,) * rank)), [1.5, 2.0])
    assert e.value == 1.5
    assert e.check(), str(e.check())
    assert values(group(parse(e), "value")[0]) == [1.5]
    assert e.to_html()
    assert str(e).endswith("1.5")


def test_text_fits_a_terminal():
    rng = np.random.default_rng(0)
    for x, k, limit in (((1, 2, 30), (5,), 110), ((1, 1, 8, 8), (3, 3), 130), ((1, 1, 300), (25,), 160),
                        ((1, 1, 60, 60), (5, 5), 200), ((1, 1, 60, 60), (11, 11), 200)):  # fmt: skip
        for dilation in (1, 2):
            w = rng.standard_normal((1, x[1], *k))
            e = pyconv.explain(rng.standard_normal(x), w, padding=2, dilation=dilation)
            assert max(len(line) for line in str(e).splitlines()[2:]) <= limit, (x, k)


def test_a_large_image_is_not_copied():
    import tracemalloc

    x = np.zeros((1, 32, 500, 500), np.float32)
    tracemalloc.start()
    try:
        e = pyconv.explain(x, np.ones((1, 32, 3, 3), np.float32), at=(0, 0, 100, 100))
        assert str(e)
        assert e.to_svg()
        assert e.to_html()
        assert tracemalloc.get_traced_memory()[1] < 8e6  # the image has 32e6 bytes
    finally:
        tracemalloc.stop()


def contrast(one, other):
    """WCAG's contrast ratio of two "#rrggbb" colours."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_is_readable_on_its_ground(theme):
    """At least 4.5 to 1, WCAG's level AA, in both themes."""
    from pyconv._explain.canvas import _BOXES, _TEXTS

    which = ("light", "dark").index(theme)
    grounds = {"faint": ["padding", "used-padding", "product", "plain", "lost"]}
    for role, (*colours, _, _, _) in _TEXTS.items():
        numeric = role in ("number", "strong")
        for box in grounds.get(role, list(_BOXES) if numeric else ["page"]):
            assert contrast(colours[which], _BOXES[box][0][which]) >= 4.5, (role, box)

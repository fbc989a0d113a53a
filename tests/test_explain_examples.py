"""The scripts in examples/ that explain: they run as their first line says, and show what they promise."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def run(name, folder):
    """The script's output; its files go to `folder`."""
    command = [sys.executable, "-P", str(EXAMPLES / name), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    for picture in folder.glob("*.svg"):
        assert ElementTree.parse(picture).getroot().get("class") == "pyx"
    return done.stdout


def test_the_seed_text(tmp_path):
    out = run("convolution_explained.py", tmp_path)
    for line in out.splitlines():
        if "by hand," in line:
            by_hand, by_pyconv = (float(part.split()[0]) for part in line.partition(": ")[2].split(", "))
            assert by_hand == pytest.approx(by_pyconv, abs=2e-6)
    assert out.count("by hand,") == 3
    assert "the same in PyTorch" in out
    assert "TOO FAR" not in out
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"convolution.svg", "convolution.html", "max_pool.svg", "convolution_2d.svg"}


def test_the_words(tmp_path):
    out = run("text_cnn.py", tmp_path)
    assert "at 'good'" in out
    assert "stress  +1.00" in out
    assert "really" in (tmp_path / "text_cnn.svg").read_text(encoding="utf-8")


def test_the_gallery(tmp_path):
    out = run("explain_gallery.py", tmp_path)
    assert len(out.splitlines()) == len(list(tmp_path.glob("*.svg"))) > 12


def test_the_pictures_in_the_readme_are_those_of_the_gallery(tmp_path):
    run("explain_gallery.py", tmp_path)
    committed = sorted((EXAMPLES.parent / "docs" / "pictures").glob("*.svg"))
    assert len(committed) == 3
    readme = (EXAMPLES.parent / "README.md").read_text(encoding="utf-8")
    for picture in committed:
        assert f"docs/pictures/{picture.name}" in readme
        drawn = (tmp_path / picture.name).read_text(encoding="utf-8")
        assert picture.read_text(encoding="utf-8") == drawn, (
            f"python examples/explain_gallery.py: copy {picture.name}"
        )

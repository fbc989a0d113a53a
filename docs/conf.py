"""Sphinx configuration; `make docs` builds with warnings as errors."""

import json
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np

import pyconv

HERE = Path(__file__).resolve().parent
GENERATED = HERE / "generated"  # not in git: drawn anew by every build

sys.path.append(str(HERE.parent / "examples"))
import explain_gallery  # noqa: E402 - found only now

explain_gallery.draw(GENERATED)
seed = json.loads(files("pyconv").joinpath("_data", "seed.json").read_text(encoding="utf-8"))
first = pyconv.explain(*(np.array(seed[name], np.float32) for name in ("input", "weight", "bias")))
first.save(GENERATED / "seed.svg")
(GENERATED / "extra").mkdir(exist_ok=True)
first.save(GENERATED / "extra" / "seed.html")

project = "pyconv"
author = "the pyconv authors"
copyright = "2026, the pyconv authors"
version = release = pyconv.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "generated"]  # what is generated is included by pages
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # links to source files leave the documentation

html_extra_path = ["generated/extra"]
html_theme = "pydata_sphinx_theme"
html_title = "pyconv"
html_sidebars = {"**": []}
html_theme_options = {"show_prev_next": False, "show_toc_level": 2}

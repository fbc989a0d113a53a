"""Sphinx configuration; for `make docs` warnings are errors, and so is whatever a page's code raises."""

import json
import os
import re
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
(GENERATED / "extra").mkdir(exist_ok=True)
pyconv.explain(*(np.array(seed[name], np.float32) for name in ("input", "weight", "bias"))).save(
    GENERATED / "extra" / "seed.html"
)

project = "pyconv"
author = "the pyconv authors"
copyright = "2026, the pyconv authors"
version = release = pyconv.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "generated"]  # what is generated is included by pages
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # links to source files leave the documentation

# The pages run without the startup files of whoever builds them, and without advice on ports.
PROFILE = GENERATED / "ipython" / "profile_default"
PROFILE.mkdir(parents=True, exist_ok=True)
(PROFILE / "ipython_kernel_config.py").write_text("c.IPKernelApp.log_level = 40\n", encoding="utf-8")
os.environ["IPYTHONDIR"] = str(PROFILE.parent)

# Every page with Python is executed by every build: a cache would not notice that pyconv has changed.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 60
nb_output_stderr = "error"
nb_merge_streams = True

autodoc_typehints = "none"  # the docstrings say the types, with shapes
add_module_names = False
napoleon_google_docstring = False
napoleon_use_param = napoleon_use_ivar = napoleon_use_rtype = False  # types are words here, not links
napoleon_custom_sections = ["Differences from PyTorch"]

highlight_language = "none"  # what has no language is a formula, an output or a sketch
html_extra_path = ["generated/extra"]
html_static_path = ["_static"]
html_css_files = ["pyconv.css"]
html_theme = "pydata_sphinx_theme"
html_title = "pyconv"
html_theme_options = {"show_prev_next": False, "show_toc_level": 2, "header_links_before_dropdown": 8}

NOTEBOOK = """---
file_format: mystnb
kernelspec:
  name: python3
---

"""
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n.*?^```\n)?", re.MULTILINE | re.DOTALL)


def as_notebook(app, docname, source):
    """Make a page's Python blocks the cells of a notebook, which MyST-NB runs and whose output it shows.

    Pages are written as plain Markdown, each block with the text it prints below it, so that they can be read
    where they lie; tests/test_pages.py compares that text with the output. Here it gives way to the output.
    """
    text, blocks = BLOCK.subn(r"```{code-cell} python\n\1```\n", source[0])
    if blocks:
        source[0] = NOTEBOOK + text


def setup(app):
    app.connect("source-read", as_notebook)

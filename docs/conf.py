"""Sphinx configuration; `make docs` builds with warnings as errors."""

import pyconv

project = "pyconv"
author = "the pyconv authors"
copyright = "2026, the pyconv authors"
version = release = pyconv.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
suppress_warnings = ["myst.xref_missing"]  # links to source files leave the documentation

html_theme = "pydata_sphinx_theme"
html_title = "pyconv"
html_sidebars = {"**": []}
html_theme_options = {"show_prev_next": False, "show_toc_level": 2}

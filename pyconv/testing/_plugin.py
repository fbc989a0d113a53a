"""pytest plugin: the fixture ``conv_case``, one test for every problem of the table.

A kernel's whole edge test is then::

    def test_my_conv(conv_case):
        arguments = conv_case.arguments("exact")
        assert_conv_close(my_conv(**arguments), None, **arguments)

Nothing is imported before a test asks for it: the plugin is loaded by every pytest of an environment with
pyconv.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

FIXTURE = "conv_case"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "conv_rank(*ranks): the spatial ranks that the fixture conv_case runs through (default 1, 2, 3)",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if FIXTURE not in metafunc.fixturenames:
        return
    from pyconv.testing import CASES

    marker = metafunc.definition.get_closest_marker("conv_rank")
    ranks = marker.args if marker else (1, 2, 3)
    metafunc.parametrize(FIXTURE, [case for case in CASES if case.rank in ranks], ids=str)

"""Every example in the docstrings of pyconv._explain runs and gives what it says."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import pyconv._explain

MODULES = [module.name for module in pkgutil.iter_modules(pyconv._explain.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(import_module(f"pyconv._explain.{name}")).failed == 0


def test_there_are_examples():
    attempted = [doctest.testmod(import_module(f"pyconv._explain.{name}")).attempted for name in MODULES]
    assert sum(attempted) > 20

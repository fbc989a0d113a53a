"""Layers with torch.nn's constructors: they hold parameters, and pack convolution weights once."""

from pyconv.nn._conv import Conv1d, Conv2d, Conv3d
from pyconv.nn._convert import from_torch
from pyconv.nn._module import Module

__all__ = ["Conv1d", "Conv2d", "Conv3d", "Module", "from_torch"]

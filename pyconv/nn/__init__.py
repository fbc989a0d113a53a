"""Layers with torch.nn's constructors: they hold parameters, and pack convolution weights once."""

from pyconv.nn._conv import Conv1d, Conv2d, Conv3d
from pyconv.nn._convert import from_torch
from pyconv.nn._module import Module
from pyconv.nn._pool import AvgPool1d, AvgPool2d, AvgPool3d, MaxPool1d, MaxPool2d, MaxPool3d

__all__ = [
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "Module",
    "from_torch",
]

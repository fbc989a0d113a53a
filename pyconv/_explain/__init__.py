"""Explaining convolution and pooling: what one output element is made of, on the user's own numbers.

`axes` and `operators` describe which inputs and weights feed an output; everything else only reads
those descriptions. Imported lazily by `pyconv`; needs NumPy only.
"""

from .api import explain, explain_pool
from .check import Check
from .explanation import Explanation, Term
from .receptive import ReceptiveField, receptive_field
from .shape import ShapeExplanation, explain_shape

__all__ = [
    "Check",
    "Explanation",
    "ReceptiveField",
    "ShapeExplanation",
    "Term",
    "explain",
    "explain_pool",
    "explain_shape",
    "receptive_field",
]

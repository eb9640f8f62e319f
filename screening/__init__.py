"""Reads Chinese trade texts: which violation each suggests, and the words that show it."""

from screening import offline  # noqa: F401 - imported for what it sets
from screening.errors import MingjianError
from screening.results import Evidence, Finding, Screening, Verdict
from screening.screener import Screener
from screening.taxonomy import Label, Taxonomy, load_taxonomy

__all__ = [
    "Evidence",
    "Finding",
    "Label",
    "MingjianError",
    "Screener",
    "Screening",
    "Taxonomy",
    "Verdict",
    "load_taxonomy",
]

"""Propose new CSS selectors for a source whose pages changed, from articles that are known."""

from parsers.repair.fields import FieldRepair, Repair, repair_fields
from parsers.repair.links import LinksRepair, repair_links
from parsers.repair.score import Example, Share

__all__ = [
    "Example",
    "FieldRepair",
    "LinksRepair",
    "Repair",
    "Share",
    "repair_fields",
    "repair_links",
]

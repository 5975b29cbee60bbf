"""Propose new CSS selectors for a source whose pages changed, from articles that are known."""

from parsers.repair.links import LinksRepair, repair_links
from parsers.repair.propose import FieldRepair, Repair, propose
from parsers.repair.score import Example, Share

__all__ = [
    "Example",
    "FieldRepair",
    "LinksRepair",
    "Repair",
    "Share",
    "propose",
    "repair_links",
]

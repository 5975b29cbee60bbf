"""Parse feeds: RSS 0.9 to 2.0, RSS 1.0 (RDF), Atom 0.3 and 1.0, JSON Feed 1.0 and 1.1."""

from parsers.feeds.model import MAX_ITEMS, BadItem, Feed, FeedItem
from parsers.feeds.parse import parse_feed

__all__ = ["MAX_ITEMS", "BadItem", "Feed", "FeedItem", "parse_feed"]

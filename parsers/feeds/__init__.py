"""Parse feeds: RSS 0.9 to 2.0, RSS 1.0 (RDF), Atom 0.3 and 1.0."""

from parsers.feeds.parse import MAX_ITEMS, Feed, FeedItem, parse_feed

__all__ = ["MAX_ITEMS", "Feed", "FeedItem", "parse_feed"]

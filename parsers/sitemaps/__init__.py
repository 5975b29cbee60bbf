"""Sitemaps in every form: urlset, index, feed, plain text, and the lines of robots.txt."""

from parsers.sitemaps.model import Sitemap, SitemapEntry, SitemapFile
from parsers.sitemaps.parse import parse_sitemap
from parsers.sitemaps.robots import robots_sitemaps

__all__ = ["Sitemap", "SitemapEntry", "SitemapFile", "parse_sitemap", "robots_sitemaps"]

"""Find what a site offers to read it by: feeds, sitemaps, and pages that list articles."""

from parsers.discovery.links import FeedLink, PageLinks, page_links
from parsers.discovery.paths import feed_urls, sitemap_urls, start_page
from parsers.discovery.selectors import ListProposal, propose_list

__all__ = [
    "FeedLink",
    "ListProposal",
    "PageLinks",
    "feed_urls",
    "page_links",
    "propose_list",
    "sitemap_urls",
    "start_page",
]

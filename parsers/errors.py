"""What can go wrong while reading a page, a listing, a feed or a post.

ParseError
├── NotAnArticle          the page is something else: counted, never kept
├── LayoutChanged         something is not where it was
│   └── BadListing        a listing or feed that cannot be read as a whole
├── IncompleteArticle     a part that every article needs is empty: id, title or text
├── BadFrontMatter        a post whose head cannot be read
├── UnknownUrl            an address that the source does not recognize
└── BrokenParser          the parser itself failed on a page nobody had seen before

All but ``NotAnArticle`` put their page into quarantine. A message says what was
expected, what was found and, where it is not obvious, what to do.
"""

from __future__ import annotations

from parsers.text.escape import escape_controls


class ParseError(Exception):
    """A page, listing or post that cannot be read.

    The message may quote what was found: it is made harmless to print, once and here.

    Attributes:
        expected: What the parser looked for, in words.
        article_id: Which article it would have been, where that is known.
        found: What was there instead, in words, at most a few hundred characters.
    """

    reason = "parse_error"

    def __init__(self, message: str, *, expected: str = "", found: str = "") -> None:
        super().__init__(escape_controls(message))
        self.expected = expected
        self.found = found
        self.article_id = ""


class NotAnArticle(ParseError):
    """The page is a gallery, a live blog, a notice: not an article."""

    reason = "not_an_article"


class LayoutChanged(ParseError):
    """A selection or key that the parser relies on is missing or ambiguous."""

    reason = "layout_changed"


class BadListing(LayoutChanged):
    """A listing or feed that cannot be read at all."""

    reason = "bad_listing"


class IncompleteArticle(ParseError):
    """An article without an id, a title or a text.

    It is kept in quarantine until a later page completes it, and never merged
    with another article.
    """

    reason = "incomplete_article"


class BadFrontMatter(ParseError):
    """A post whose front matter is missing, unclosed or not YAML."""

    reason = "bad_front_matter"


class UnknownUrl(ParseError):
    """An address that names no article of this source."""

    reason = "unknown_url"


class BrokenParser(ParseError):
    """A parser raised something other than a ParseError: a bug to mend."""

    reason = "broken_parser"

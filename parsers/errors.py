"""Errors of the parsers.

ParseError
├── NotAnArticle          the page is something else: counted, not quarantined
├── LayoutChanged         a selection or key is missing or ambiguous
│   ├── LayoutExpired     the page has a layout that ended
│   └── BadListing        a listing or feed that cannot be read as a whole
├── IncompleteArticle     the id, the title or the text is empty
├── NotText               compressed or other binary data in the place of a page
├── WrongPage             another page in the place of the article
│   ├── SoftNotFound      an error page with status 200
│   ├── ConsentPage       a page that asks for consent to cookies
│   ├── LoginPage         a page that asks for a login
│   ├── SubscriptionPage  a page that sells a subscription
│   └── ChallengePage     a check for robots, a block or an outage
├── BadFrontMatter        a post whose front matter cannot be read
├── UnknownUrl            an address that names no article of the source
└── BrokenParser          the parser raised something other than a ParseError

OptionError (a ValueError)  a source's option has a wrong name or value
BrokenPlugin                a parser of another package that cannot be used

The run quarantines the page of every ParseError except ``NotAnArticle``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from parsers.text.characters import single_line


class ParseError(Exception):
    """A page, listing or post that cannot be parsed.

    The message is one line, its control characters are escaped, because it may quote the page.

    Attributes:
        reason: The code stored in the quarantine.
        expected: What the parser looked for.
        found: What the page has instead, at most a few hundred characters.
        article_id: The article's id, or empty when it is unknown.
    """

    reason = "parse_error"

    def __init__(
        self,
        message: str = "",
        *,
        expected: str = "",
        found: str = "",
        where: str = "",
        hint: str = "",
    ) -> None:
        """Build the error.

        Args:
            message: The message; empty to make it of the other arguments.
            expected: What the parser looked for.
            found: What the page has instead.
            where: The part of the page or listing; the message begins with it.
            hint: What to do; the message ends with it.
        """
        prefix = f"{where}: " if where else ""
        advice = f"; {hint}" if hint else ""
        message = message or f"{prefix}expected {expected}, found {found}{advice}"
        super().__init__(single_line(message))
        self.expected = prefix + expected
        self.found = found
        self.article_id = ""


class NotAnArticle(ParseError):
    """The page is a gallery, a live blog or a front page, not an article."""

    reason = "not_an_article"


class LayoutChanged(ParseError):
    """A selection or key that the parser relies on is missing or ambiguous."""

    reason = "layout_changed"


class LayoutExpired(LayoutChanged):
    """The page has a layout that ended before it was fetched."""

    reason = "layout_expired"


class BadListing(LayoutChanged):
    """A listing or feed that cannot be read as a whole."""

    reason = "bad_listing"


class IncompleteArticle(ParseError):
    """An article without an id, a title or a text.

    The run quarantines it until a later page completes it, and never merges it with
    another article.
    """

    reason = "incomplete_article"


class NotText(ParseError):
    """Compressed or other binary data in the place of a page."""

    reason = "not_text"


class WrongPage(ParseError):
    """A page in the place of the article, such as a front page after a redirect."""

    reason = "wrong_page"


class SoftNotFound(WrongPage):
    """A page for missing articles that the server sends with status 200."""

    reason = "soft_404"


class ConsentPage(WrongPage):
    """A page that asks for consent to cookies."""

    reason = "consent_page"


class LoginPage(WrongPage):
    """A page that asks for a login."""

    reason = "login_page"


class SubscriptionPage(WrongPage):
    """A page that sells a subscription and has no text of the article."""

    reason = "subscription_page"


class ChallengePage(WrongPage):
    """A page that checks for robots, refuses access or reports an outage."""

    reason = "challenge_page"


class BadFrontMatter(ParseError):
    """A post whose front matter is missing, unclosed or not YAML."""

    reason = "bad_front_matter"


class UnknownUrl(ParseError):
    """An address that names no article of the source."""

    reason = "unknown_url"


class BrokenParser(ParseError):
    """A parser raised something other than a ParseError: a bug of the parser."""

    reason = "broken_parser"


class OptionError(ValueError):
    """A source's option has a wrong name or value; the message begins with the option."""


class BrokenPlugin(Exception):
    """A parser of another package that cannot be used; the message names the package."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``, did you mean 'x'?`` when a known name is similar, else an empty text."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""

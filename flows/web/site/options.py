"""What a site is made of, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from flows.web.language import LANGUAGES

PAGE_LENGTH = 50
"""How many articles a page of a list has; the newest page has up to twice as many."""

FEED_LENGTH = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteOptions:
    """The options of a site.

    Attributes:
        title: Its name.
        base_url: The public address of its folder; a missing ``/`` at the end is added. The
            sitemap needs it. Empty if there is none.
        language: Of its own words, ``en`` or ``zh``; empty takes that of most articles.
        templates: A folder of templates that replace those of copydesk.
        sources: Only these sources; empty for all.
        one_per_content: Of articles with the same content, show the first that was published.
        time_zone: Of times whose source has no zone.
    """

    title: str = "copydesk"
    base_url: str = ""
    language: str = ""
    templates: Path | None = None
    sources: tuple[str, ...] = ()
    one_per_content: bool = False
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: The language is unknown, or the base address is no http(s) address.
        """
        if self.language and self.language not in LANGUAGES:
            raise ValueError(
                f"the language of a site is one of {', '.join(LANGUAGES)}: found {self.language!r}"
            )
        if not self.base_url:
            return
        parts = urlsplit(self.base_url)
        if (
            parts.scheme not in ("http", "https")
            or not parts.netloc
            or parts.query
            or parts.fragment
        ):
            raise ValueError(
                "the base address of a site is an http or https address without ? and #: found "
                f"{self.base_url!r}"
            )
        object.__setattr__(self, "base_url", self.base_url.rstrip("/") + "/")

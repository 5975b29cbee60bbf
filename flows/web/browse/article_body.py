"""The stored HTML of an article as a document for a sandboxed frame."""

from __future__ import annotations

from flows.web.clean_html import clean_body
from flows.web.environment import content_security_policy, render
from flows.web.format import language_of

FRAME_POLICY = content_security_policy(
    "frame-ancestors 'self'", "sandbox allow-popups allow-popups-to-escape-sandbox"
)
"""The header of the document: no script, no request, links open a new tab."""


def render_body(html: str, *, title: str, language: str | None) -> str:
    """Return the document of an article's text."""
    return render(
        "browse/body.html",
        title=title,
        language=language_of(html, language),
        body=clean_body(html),
    )

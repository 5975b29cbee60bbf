"""The stored HTML of an article as a document for a sandboxed frame."""

from __future__ import annotations

import nh3

from flows.web.environment import content_security_policy, render
from flows.web.format import language_of

FRAME_POLICY = content_security_policy(
    "frame-ancestors 'self'", "sandbox allow-popups allow-popups-to-escape-sandbox"
)
"""The header of the document: no script, no request, links open a new tab."""

_LEFT_OUT = {"img", "map", "area"}
_TAGS = frozenset(nh3.ALLOWED_TAGS - _LEFT_OUT)
_ATTRIBUTES = {
    tag: set(names) - {"style", "class", "id"}
    for tag, names in nh3.ALLOWED_ATTRIBUTES.items()
    if tag in _TAGS
}


def clean_body(html: str) -> str:
    """Keep text, structure and links; remove images, scripts, styles, frames and forms."""
    return nh3.clean(
        html,
        tags=set(_TAGS),
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def render_body(html: str, *, title: str, language: str | None) -> str:
    """Return the document of an article's text."""
    return render(
        "browse/body.html",
        title=title,
        language=language_of(html, language),
        body=clean_body(html),
    )

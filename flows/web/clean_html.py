"""The stored HTML of an article, made safe to show."""

from __future__ import annotations

import re

import nh3

_IMAGES = {"img", "map", "area"}
_TAGS = frozenset(nh3.ALLOWED_TAGS - _IMAGES)
_ATTRIBUTES = {
    tag: set(names) - {"style", "class", "id"}
    for tag, names in nh3.ALLOWED_ATTRIBUTES.items()
    if tag in _TAGS
}
_SCHEMES = {"http", "https", "mailto"}
_LINK_REL = "noopener noreferrer nofollow"

# As nh3 writes it: a value holds no quotation mark.
_IMAGE = re.compile('<img((?: [a-z]+="[^"]*")*)>')

_TEXT_ONLY = nh3.Cleaner(
    tags=set(_TAGS),
    attributes=_ATTRIBUTES,
    url_schemes=_SCHEMES,
    link_rel=_LINK_REL,
    set_tag_attribute_values={"a": {"target": "_blank"}},
)
# A relative address would lead into the site that shows the article.
_WITH_IMAGES = nh3.Cleaner(
    tags={*_TAGS, "img"},
    attributes={**_ATTRIBUTES, "img": {"src", "alt", "title", "width", "height"}},
    url_schemes=_SCHEMES,
    url_relative="deny",
    link_rel=_LINK_REL,
)


def clean_body(html: str) -> str:
    """Keep text, structure and links; remove images, scripts, styles, frames and forms."""
    return _TEXT_ONLY.clean(html)


def clean_body_with_images(html: str) -> str:
    """Keep images, too; a browser loads them late and without the address of the page.

    An image without a text gets an empty one: a reader would hear its address instead.
    """
    return _IMAGE.sub(_complete, _WITH_IMAGES.clean(html))


def _complete(image: re.Match[str]) -> str:
    # nh3 would write values that it sets in another order in each process.
    text = "" if ' alt="' in image[1] else ' alt=""'
    return f'<img{image[1]}{text} referrerpolicy="no-referrer" loading="lazy">'

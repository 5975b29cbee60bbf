"""Posts of any Jekyll or Hexo site, and posts that copydesk wrote.

In Jekyll a space in ``categories`` or ``tags`` separates names, in Hexo it does not. Bodies
are Markdown, or HTML in ``.html``. A post of copydesk has the ``article_id`` of its article.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from parsers.frontmatter import finews_post, markdown
from parsers.frontmatter.block import Block
from parsers.frontmatter.broken_head import line_fields
from parsers.frontmatter.dialect import FILE_DATE, dialect_of
from parsers.frontmatter.raw_post import (
    NO_DEFAULTS,
    NO_ZONES,
    Dialect,
    PostDefaults,
    RawPost,
    Zones,
)
from parsers.frontmatter.yaml_head import NotYaml, Value, word, words, yaml_fields
from parsers.media import media_of
from parsers.model import Extracted, Media, Moment
from parsers.text import dates, urls

SOURCE = "posts"
_ATTRIBUTES = re.compile(r"\{:[^{}\n]{1,300}\}")
_TAGS = re.compile(r"<[^<>]*>")
MEDIA_KEY = "media"
_OURS = re.compile(r"([^:\s]+):(\S.*)\Z", re.DOTALL)
_DATE_KEYS = ("date", "published_at", "pubdate", "publishDate")
_UPDATED_KEYS = ("updated", "last_modified_at", "lastmod", "modified")
_URL_KEYS = ("source_url", "canonical_url", "original_url", "link", "url")


def read(
    block: Block,
    path: str,
    source: str,
    zones: Zones = NO_ZONES,
    defaults: PostDefaults = NO_DEFAULTS,
) -> RawPost:
    """Return the post's values, with a reason for each absent one.

    Raises:
        BadFrontMatter: The head is neither YAML nor lines of one key each.
    """
    fields, rule = _fields(block, path)
    path_id = defaults.source_article_id or path
    dialect = defaults.dialect or dialect_of(fields, path_id)
    ours = _OURS.match(word(fields.get("article_id")))
    body, link = finews_post.cut_footer(block.body) if ours else (block.body, "")
    url, url_how = _url(fields, link)
    source = ours[1] if ours else source or SOURCE
    declared = zones.get(source, zones.get(""))
    zone = declared or defaults.zone
    zone_how = "" if declared else defaults.zone_how
    return RawPost(
        dialect=dialect,
        head_rule=rule,
        source=source,
        source_article_id=ours[2] if ours else path_id,
        url=url,
        url_how=url_how,
        canonical_url=urls.canonicalize(url) if url else "",
        title=_title(fields, path),
        body=_html(body, path),
        body_how="post body" if path.endswith(".html") else "post body, Markdown made HTML",
        published=_in_zone_of(_published(fields, path, zone), zone_how),
        publisher=_publisher(fields, dialect, is_ours=ours is not None),
        authors=_authors(fields, dialect, is_ours=ours is not None),
        updated=_updated(fields, zone, zone_how),
        categories=_with_folders(
            _names(fields, "categories", "category", dialect), defaults.categories
        ),
        tags=_names(fields, "tags", "tag", dialect),
        language=_maybe(fields, ("lang", "language")),
        lead_image=_maybe(fields, ("headimg", "cover", "image", "thumbnail")),
        media=_media(fields),
        fields=fields,
    )


def _fields(block: Block, path: str) -> tuple[dict[str, Value], str]:
    try:
        return yaml_fields(block.head, block.first_line, path), "YAML"
    except NotYaml as error:
        fields = line_fields(block, path, error)
        return fields, f"head is not YAML: each key read by itself ({error.found})"


def _title(fields: Mapping[str, Value], path: str) -> Extracted[str]:
    if "article_id" in fields and not word(fields.get("title")):
        return Extracted(None, "absent: the post of an article without a title")
    if "title" in fields:
        return Extracted(" ".join(word(fields["title"]).split()), "front matter: title")
    stem = PurePosixPath(path).stem
    named = FILE_DATE.match(stem)
    return Extracted(named[2] if named else stem, "file name: the head has no title")


def _html(body: str, path: str) -> str:
    if path.endswith((".html", ".htm")):
        return body
    if "{:" in body:
        # Attributes of kramdown count as text, except in a post of media alone.
        bare = markdown.to_html(_ATTRIBUTES.sub("", body))
        if not _TAGS.sub("", bare).strip():
            return bare
    return markdown.to_html(body)


def _published(fields: Mapping[str, Value], path: str, zone: ZoneInfo | None) -> Moment:
    for key in _DATE_KEYS:
        if raw := word(fields.get(key)):
            moment = dates.parse_time(raw, zone, f"front matter: {key}")
            return _at_precision(moment, word(fields.get("date_precision")))
    if named := FILE_DATE.match(PurePosixPath(path).stem):
        return dates.parse_time(named[1], zone, "file name: the head has no date")
    return dates.unknown_time("", "neither the head nor the file name has a date")


def _in_zone_of(moment: Moment, zone_how: str) -> Moment:
    if moment.timezone_source != "source" or not zone_how:
        return moment
    return replace(moment, provenance=f"{moment.provenance}; time zone: {zone_how}")


def _with_folders(
    names: Extracted[tuple[str, ...]], folders: tuple[str, ...]
) -> Extracted[tuple[str, ...]]:
    if not folders:
        return names
    if not names.value:
        return Extracted(folders, "folder")
    both = tuple(dict.fromkeys((*folders, *names.value)))
    return Extracted(both, f"folder; {names.provenance}")


def _at_precision(moment: Moment, precision: str) -> Moment:
    if precision != "minute" or moment.precision != "second":
        return moment
    how = f"{moment.provenance}; its seconds are none (date_precision)"
    return replace(moment, precision="minute", provenance=how)


def _updated(fields: Mapping[str, Value], zone: ZoneInfo | None, zone_how: str) -> Moment | None:
    for key in _UPDATED_KEYS:
        if raw := word(fields.get(key)):
            return _in_zone_of(dates.parse_time(raw, zone, f"front matter: {key}"), zone_how)
    return None


def _publisher(
    fields: Mapping[str, Value], dialect: Dialect, *, is_ours: bool
) -> Extracted[str] | None:
    # In Hexo posts of copydesk, as of the aggregator, author is the publication.
    key = "author" if is_ours and dialect == "hexo" else "publisher"
    return Extracted(word(fields[key]), f"front matter: {key}") if word(fields.get(key)) else None


def _authors(
    fields: Mapping[str, Value], dialect: Dialect, *, is_ours: bool
) -> Extracted[tuple[str, ...]]:
    keys = ("authors",) if is_ours else ("authors", "author")
    for key in keys:
        if names := words(fields.get(key)):
            return Extracted(names, f"front matter: {key}")
    return Extracted(None, f"absent: the head has no {' or '.join(keys)}")


def _names(
    fields: Mapping[str, Value], plural: str, singular: str, dialect: Dialect
) -> Extracted[tuple[str, ...]]:
    value = fields.get(plural)
    if isinstance(value, str) and dialect == "jekyll":
        return Extracted(
            tuple(dict.fromkeys(value.split())), f"front matter: {plural}, apart by space"
        )
    names = words(value) or words(fields.get(singular))
    if names:
        return Extracted(names, f"front matter: {plural}")
    return Extracted(None, f"absent: the head has no {plural}")


def _maybe(fields: Mapping[str, Value], keys: tuple[str, ...]) -> Extracted[str] | None:
    for key in keys:
        if value := word(fields.get(key)):
            return Extracted(value, f"front matter: {key}")
    return None


def _media(fields: Mapping[str, Value]) -> Extracted[tuple[Media, ...]] | None:
    """Return the ``media`` that copydesk writes, or the ``photos`` of Hexo's galleries."""
    declared = fields.get(MEDIA_KEY)
    items = declared if isinstance(declared, tuple) else ()
    found = tuple(filter(None, (_medium(one) for one in items if isinstance(one, Mapping))))
    if found:
        return Extracted(found, f"front matter: {MEDIA_KEY}")
    photos = tuple(Media(kind="picture", url=one) for one in words(fields.get("photos")))
    return Extracted(photos, "front matter: photos") if photos else None


def _medium(item: Mapping[str, Value]) -> Media | None:
    names = ("kind", "type", "length", "duration")
    kind, mime, length, duration = (word(item.get(name)) for name in names)
    url = word(item.get("url"))
    return media_of(url, kind=kind, mime=mime, length=length, duration=duration) if url else None


def _url(fields: Mapping[str, Value], link: str) -> tuple[str, str]:
    for key in _URL_KEYS:
        if urls.is_http(word(fields.get(key))):
            return word(fields[key]), f"front matter: {key}"
    if link:
        return link, "body: link line"
    return "", "absent: the post does not say where its article stands"

"""Pictures, videos and sounds: their kinds, players, equal addresses and markup."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from html import escape
from urllib.parse import parse_qs

from parsers.model import Media, MediaKind
from parsers.text.urls import canonicalize, is_http, is_in_domain, url_parts

_ENDINGS: dict[MediaKind, str] = {
    "picture": "jpg jpeg jpe jfif png gif webp avif heic svg bmp tif tiff",
    "video": "mp4 m4v mov webm ogv mpg mpeg avi flv mkv wmv 3gp m3u8 mpd",
    "audio": "mp3 m4a m4b aac ogg oga opus wav flac wma amr",
}
_KIND_BY_ENDING = {one: kind for kind, ends in _ENDINGS.items() for one in ends.split()}
_FILE = re.compile(rf"\.({'|'.join(_KIND_BY_ENDING)})$", re.IGNORECASE)
_NO_TRACKERS: frozenset[str] = frozenset()
_DECLARED: dict[str, MediaKind] = {
    "image": "picture",
    "picture": "picture",
    "video": "video",
    "audio": "audio",
    "application/x-mpegurl": "video",
    "application/vnd.apple.mpegurl": "video",
    "application/dash+xml": "video",
    "application/x-shockwave-flash": "video",
    "application/ogg": "audio",
}
_NO_TYPES = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/force-download"})  # fmt: skip

# Hosts of players: how the path names the video, and the page for readers. Without a page the
# address of the player is the page.
_PAGES: tuple[tuple[str, str, str], ...] = (
    (r"(?:youtube\.com|youtube-nocookie\.com)/(?:embed|v|shorts|live)/([\w-]{6,})", "https://www.youtube.com/watch?v={}", ""),
    (r"youtube\.com/watch", "https://www.youtube.com/watch?v={}", "v"),
    (r"youtu\.be/([\w-]{6,})", "https://www.youtube.com/watch?v={}", ""),
    (r"player\.vimeo\.com/video/(\d+)", "https://vimeo.com/{}", ""),
    (r"dailymotion\.com/(?:embed/)?video/(\w+)", "https://www.dailymotion.com/video/{}", ""),
    (r"geo\.dailymotion\.com/player", "https://www.dailymotion.com/video/{}", "video"),
    (r"player\.bilibili\.com/player\.html", "https://www.bilibili.com/video/{}", "bvid"),
    (r"player\.youku\.com/(?:embed|player\.php/sid)/([\w=]+)", "https://v.youku.com/v_show/id_{}.html", ""),
    (r"v\.qq\.com/(?:txp/)?iframe/(?:player|preview)\.html", "https://v.qq.com/x/page/{}.html", "vid"),
)  # fmt: skip
_PLAYERS = tuple(
    (re.compile(rf"(?:[\w-]+\.)*{host}"), page, parameter) for host, page, parameter in _PAGES
)
_HOSTS: dict[MediaKind, tuple[str, ...]] = {
    "video": (
        "youtube.com", "youtube-nocookie.com", "youtu.be", "vimeo.com", "dailymotion.com", "player.bilibili.com",
        "player.youku.com", "v.qq.com", "open.iqiyi.com", "ixigua.com", "open.douyin.com", "tiktok.com",
        "player.twitch.tv", "clips.twitch.tv", "embed.ted.com", "streamable.com", "rutube.ru", "ok.ru",
        "players.brightcove.net", "cdn.jwplayer.com", "content.jwplatform.com", "fast.wistia.net",
        "fast.wistia.com", "cdnapisec.kaltura.com", "video.foxnews.com", "odysee.com", "rumble.com",
        "player.pbs.org", "c-span.org", "loom.com",
    ),
    "audio": (
        "w.soundcloud.com", "open.spotify.com", "embed.podcasts.apple.com", "embed.music.apple.com",
        "music.163.com", "ximalaya.com", "player.megaphone.fm", "embed.acast.com", "player.simplecast.com",
        "html5-player.libsyn.com", "play.libsyn.com", "buzzsprout.com", "anchor.fm", "podcasters.spotify.com",
        "embeds.audioboom.com", "audioboom.com", "bandcamp.com", "mixcloud.com", "omny.fm", "player.captivate.fm",
        "playlist.megaphone.fm", "widget.deezer.com", "spreaker.com",
    ),
}  # fmt: skip
_VIDEO_PATHS = re.compile(
    r"(?:[\w-]+\.)*(?:facebook\.com/(?:plugins/video|watch|.+/videos/)|vk\.com/video_ext)|[^/]+/videos/embed/"
)

_CLOCK = re.compile(r"(?:(?:(\d{1,3}):)?(\d{1,3}):)?(\d{1,7}(?:\.\d{1,6})?)")
_ISO_DURATION = re.compile(
    r"P(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?", re.IGNORECASE
)
_MAX_SECONDS = 30 * 86_400
_MAX_LENGTH = 2**53


def media_of(
    url: str,
    *,
    kind: str = "",
    mime: str = "",
    length: str = "",
    duration: str = "",
) -> Media | None:
    """Return the picture, video or sound at an address; ``None`` for anything else.

    Args:
        url: Absolute; the address of a known player becomes that of its page.
        kind: As declared (``image``, ``video``, ``audio``).
        mime: MIME type as declared.
        length: Bytes as declared.
        duration: As declared: seconds, ``mm:ss``, ``hh:mm:ss`` or ISO 8601.
    """
    mime = mime.partition(";")[0].strip().lower()
    found = _kind(url, kind.strip().lower(), mime)
    if found is None:
        return None
    page = _page_of(url) if found != "picture" else url
    is_typed = page == url and mime not in _NO_TYPES and "/" in mime and mime != "text/html"
    return Media(
        kind=found,
        url=page,
        type=mime if is_typed else None,
        length=int(length)
        if length.strip().isdecimal() and 0 < int(length) < _MAX_LENGTH
        else None,
        duration=seconds_of(duration),
    )


def player(url: str) -> Media | None:
    """Return the video or sound of a known player or file; ``None`` for another document."""
    found = media_of(url)
    return found if found and found.kind != "picture" else None


def is_file(one: Media) -> bool:
    """Return whether the address is that of a file, not of a page with a player."""
    return (
        one.kind == "picture" or bool(one.type) or _FILE.search(url_parts(one.url).path) is not None
    )


def media_address(url: str) -> str:
    """Return what two addresses of one file have in common.

    That is the address without scheme and fragment, and without the query after the name of a
    file: signatures and sizes change, the picture does not. The content hash ``c1`` contains
    it, so that neither this rule nor the list of endings may change.
    """
    if not is_http(url):
        return url.strip()
    _, _, address = canonicalize(url, drop=_NO_TRACKERS).partition("://")
    path, _, _ = address.partition("?")
    return path if _FILE.search(path) else address


def distinct_media(found: Iterable[Media]) -> tuple[Media, ...]:
    """Return each address once, in order, with all that is declared of it."""
    kept: dict[str, Media] = {}
    for one in found:
        known = kept.setdefault(media_address(one.url), one)
        if known is not one:
            kept[media_address(one.url)] = replace(
                known,
                type=known.type or one.type,
                length=known.length or one.length,
                duration=known.duration or one.duration,
            )
    return tuple(kept.values())


def seconds_of(declared: str) -> float | None:
    """Return a duration in seconds; ``None`` when the text is none or is zero."""
    text = declared.strip()
    if clock := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (float(part or 0) for part in clock.groups())
        total = 3600 * hours + 60 * minutes + seconds
    elif (iso := _ISO_DURATION.fullmatch(text)) and any(iso.groups()):
        days, hours, minutes, seconds = (float(part or 0) for part in iso.groups())
        total = 86_400 * days + 3600 * hours + 60 * minutes + seconds
    else:
        return None
    return total if 0 < total <= _MAX_SECONDS else None


def markup_of(media: Iterable[Media]) -> str:
    """Return HTML that shows media, and that ``clean_body`` reads back."""
    return "\n".join(map(_element, media))


def _element(one: Media) -> str:
    url = escape(one.url)
    if one.kind == "picture":
        return f'<figure><img src="{url}"></figure>'
    if not is_file(one):
        return f'<iframe src="{url}"></iframe>'
    declared = f' type="{escape(one.type)}"' if one.type else ""
    return f'<{one.kind} controls="" src="{url}"{declared}></{one.kind}>'


def _kind(url: str, kind: str, mime: str) -> MediaKind | None:
    for name in (mime, mime.partition("/")[0], kind if mime in _NO_TYPES else ""):
        if name in _DECLARED:
            return _DECLARED[name]
    parts = url_parts(url)
    if ending := _FILE.search(parts.path or url.partition("?")[0]):
        return _KIND_BY_ENDING[ending[1].lower()]
    if mime not in _NO_TYPES and not mime.startswith("text/html"):
        return None
    host = (parts.hostname or "").lower()
    for name, hosts in _HOSTS.items():
        if any(is_in_domain(host, one) for one in hosts):
            return name
    return "video" if _VIDEO_PATHS.match(f"{host}{parts.path}") else None


def _page_of(url: str) -> str:
    parts = url_parts(url)
    place = f"{(parts.hostname or '').lower()}{parts.path}"
    for pattern, page, parameter in _PLAYERS:
        if found := pattern.match(place):
            name = parse_qs(parts.query).get(parameter, [""])[0] if parameter else found[1]
            return page.format(name) if re.fullmatch(r"[\w=-]+", name) else url
    return url

"""Which files a publication has: its articles, its window, and the place of each post."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from flows.publication.paths import FOLDERS, PostFolders, new_path
from flows.publication.state import IMPORTED, Entry
from flows.publish_settings import PublishSettings
from parsers.frontmatter import distinct_paths
from warehouse.read.publication import ImportedFile, PublishedArticle


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedPost:
    """A file that the folder must have.

    Attributes:
        version: Of what it is made.
        record: The record to write as a new post; empty for an imported file.
        seq: The imported file whose bytes are written.
    """

    key: str
    path: str
    version: str
    record: str = ""
    seq: int | None = None


@dataclass(slots=True, kw_only=True)
class Plan:
    """The files of a publication, and why other files are no part of it.

    Attributes:
        posts: By key.
        dropped: Keys of known files to remove, with the reason.
        released: Keys of imported files that others own again: their source is not published.
        vanished: Keys of known files whose article the warehouse does not have any more,
            although it was not erased. They are left alone.
        categories: The categories of all posts.
    """

    posts: dict[str, PlannedPost] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    released: list[str] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)
    categories: set[str] = field(default_factory=set)


def select(
    articles: Iterable[PublishedArticle], settings: PublishSettings, known: Collection[str]
) -> list[PublishedArticle]:
    """Return the articles of a publication.

    Args:
        articles: All of the warehouse.
        settings: Of the publication.
        known: The ids of articles that have a file. Of several articles with one content, one
            of these stays.
    """
    found = [one for one in articles if not settings.sources or one.source in settings.sources]
    if settings.per == "article":
        return found
    first: dict[str, PublishedArticle] = {}
    for one in sorted(
        found, key=lambda one: (one.article_id not in known, one.first_seen_at, one.article_id)
    ):
        first.setdefault(one.content, one)
    kept = {one.article_id for one in first.values()}
    return [one for one in found if one.article_id in kept]


def in_window(
    articles: Sequence[PublishedArticle], settings: PublishSettings, today: date
) -> set[str]:
    """Return the ids of the articles in the window; of all of them if there is no window.

    The newest day is that of the newest article with a date, and not later than today. So a
    pause of the sources does not empty a site, and neither does a draft.
    """
    if settings.window_days:
        first = newest_day(articles, today) - timedelta(days=settings.window_days - 1)
        return {one.article_id for one in articles if _day(one) >= first}
    if settings.window_posts is None:
        return {one.article_id for one in articles}
    by_source: dict[str, list[PublishedArticle]] = defaultdict(list)
    for one in articles:
        by_source[one.source].append(one)
    return {
        one.article_id
        for group in by_source.values()
        for one in sorted(group, key=_newest_last)[-settings.window_posts :]
    }


def newest_day(articles: Iterable[PublishedArticle], today: date) -> date:
    """Return the day of the newest article, which is not later than today.

    An article without a date counts as seen, and only if no other article has a date.
    """
    found = [(_has_date(one), day) for one in articles if (day := _day(one)) <= today]
    return max(found, default=(False, today))[1]


def plan_posts(
    articles: Sequence[PublishedArticle],
    files: Sequence[ImportedFile],
    entries: Mapping[str, Entry],
    settings: PublishSettings,
    *,
    today: date,
    is_sticky: bool = True,
    is_erased: Callable[[str], bool] = lambda _article_id: False,
) -> Plan:
    """Return the files that the folder must have.

    Args:
        articles: All of the warehouse.
        files: All that imports stored.
        entries: What the publication has written, or took over.
        settings: Of the publication.
        today: The last day of the window.
        is_sticky: Whether a new post keeps the name that it has.
        is_erased: Whether an article was deleted on request.
    """
    known = {one.article_id for one in entries.values()}
    selected = select(articles, settings, known)
    window = in_window(selected, settings, today)
    has_window = bool(settings.window_days or settings.window_posts)
    imported = _main_files(files, entries, settings.format)
    options = _options(settings)
    posts: dict[str, PlannedPost] = {}
    plan = Plan()
    for one in selected:
        is_inside = one.article_id in window
        if not is_inside and settings.rest == "remove":
            continue
        plan.categories.update(one.categories)
        post = _planned(one, imported.get(one.article_id), entries, settings, options, is_sticky)
        if has_window:
            post = replace(post, path=_placed(post.path, FOLDERS[settings.format], is_inside))
        posts[one.article_id] = post
    copies = _copies(entries, posts, window, settings if has_window else None)
    keep = frozenset(key for key, one in posts.items() if _path_of(entries, key) == one.path)
    paths = distinct_paths(((key, one.path) for key, one in posts.items()), keep=keep)
    plan.posts = {key: replace(one, path=paths[key]) for key, one in posts.items()}
    taken = set(paths.values())
    for key, copy in copies.items():
        if copy.path not in taken:
            taken.add(copy.path)
            plan.posts[key] = copy
    _explain_others(plan, articles, entries, settings, is_erased)
    return plan


def _planned(
    article: PublishedArticle,
    file: ImportedFile | None,
    entries: Mapping[str, Entry],
    settings: PublishSettings,
    options: str,
    is_sticky: bool,
) -> PlannedPost:
    path = _path_of(entries, article.article_id)
    folders = FOLDERS[settings.format]
    if file is not None and not path:
        folder, name = folders.split(file.path)
        path = f"{folder or folders.posts}/{name}"
    elif file is None and (not path or not is_sticky or _is_draft(path, folders)):
        path = new_path(article, settings.format, settings.file_name)
    if file is not None and file.is_current:
        return PlannedPost(
            key=article.article_id, path=path, version=f"{IMPORTED}{file.seq}", seq=file.seq
        )
    version = f"{article.record}:{options}" if options else article.record
    return PlannedPost(key=article.article_id, path=path, version=version, record=article.record)


def _path_of(entries: Mapping[str, Entry], key: str) -> str:
    entry = entries.get(key)
    return entry.path if entry else ""


def _is_draft(path: str, folders: PostFolders) -> bool:
    """Whether a post is with those without a date; it leaves them when it has one."""
    return bool(folders.drafts) and folders.split(path)[0] == folders.drafts


def _main_files(
    files: Iterable[ImportedFile], entries: Mapping[str, Entry], dialect: str
) -> dict[str, ImportedFile]:
    """The imported file of each article: the one in the folder, else the latest."""
    main: dict[str, ImportedFile] = {}
    rank: dict[str, tuple[bool, bool, int]] = {}
    for one in files:
        if one.dialect != dialect:
            continue
        entry = entries.get(one.article_id)
        is_known = entry is not None and entry.version == f"{IMPORTED}{one.seq}"
        mine = (one.is_current, is_known, one.seq)
        if mine > rank.get(one.article_id, (False, False, -1)):
            main[one.article_id], rank[one.article_id] = one, mine
    return main


def _copies(
    entries: Mapping[str, Entry],
    posts: Mapping[str, PlannedPost],
    window: Collection[str],
    settings: PublishSettings | None,
) -> dict[str, PlannedPost]:
    """The further imported files of published articles; with a window they move, too."""
    found = {}
    for key, entry in entries.items():
        if key == entry.article_id or entry.article_id not in posts:
            continue
        path = entry.path
        if settings:
            path = _placed(path, FOLDERS[settings.format], entry.article_id in window)
        seq = int(entry.version.removeprefix(IMPORTED))
        found[key] = PlannedPost(key=key, path=path, version=entry.version, seq=seq)
    return found


def _placed(path: str, folders: PostFolders, is_inside: bool) -> str:
    """The path of a post in its side of the window, below the same folder; a draft stays one."""
    folder, name = folders.split(path)
    if not folder or _is_draft(path, folders):
        return path
    above = path.removesuffix(f"{folder}/{name}")
    return f"{above}{folders.posts if is_inside else folders.rest}/{name}"


def _explain_others(
    plan: Plan,
    articles: Iterable[PublishedArticle],
    entries: Mapping[str, Entry],
    settings: PublishSettings,
    is_erased: Callable[[str], bool],
) -> None:
    stored = {one.article_id: one for one in articles}
    for key, entry in entries.items():
        if key in plan.posts or not entry.article_id:
            continue
        article = stored.get(entry.article_id)
        if article is None and is_erased(entry.article_id):
            plan.dropped[key] = "its article was erased"
        elif article is None:
            plan.vanished.append(key)
        elif settings.sources and article.source not in settings.sources:
            if entry.version.startswith(IMPORTED):
                plan.released.append(key)
            else:
                plan.dropped[key] = f"{article.source} is not published any more"
        elif entry.article_id in plan.posts:
            plan.dropped[key] = "another file of its article has its place"
        else:
            plan.dropped[key] = "outside the window, or the same content as another post"


def _options(settings: PublishSettings) -> str:
    """A digest of the options that change the text of new posts; empty for the defaults."""
    changed = [settings.front_matter, settings.footer]
    if not any(changed):
        return ""
    text = json.dumps(changed, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _has_date(article: PublishedArticle) -> bool:
    return article.published_on is not None or article.published_at is not None


def _day(article: PublishedArticle) -> date:
    moment = article.published_at or article.first_seen_at
    return article.published_on or moment.date()


def _newest_last(article: PublishedArticle) -> tuple[object, ...]:
    return _day(article), article.published_at or article.first_seen_at, article.article_id

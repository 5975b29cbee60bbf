"""A publication that is a whole site: ``flows.web.site`` builds it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from duckdb import DuckDBPyConnection

from flows.publication.documents import version_of
from flows.publication.files import PublicationFiles
from flows.publication.plan import PlannedPost
from flows.publication.state import Entry
from flows.publish_settings import PublishSettings
from warehouse.read.publication import PublishedArticle

FRONT_PAGE = "index.html"


def publish_site(
    db: DuckDBPyConnection,
    files: PublicationFiles,
    name: str,
    settings: PublishSettings,
    articles: Sequence[PublishedArticle],
    *,
    time_zone: str,
    is_dry: bool,
) -> None:
    """Build the site, or the part of it that changed, unless nothing did.

    Raises:
        ConfigurationError: The folder or a template cannot be used.
        RunFailed: `copydesk site` writes into the folder.
    """
    # Slow to import, and most publications are of posts.
    from flows.web.site.build import build_site
    from flows.web.site.options import SiteOptions

    page = PlannedPost(key=f"\n{FRONT_PAGE}", path=FRONT_PAGE, version=_version(articles, settings))
    if files.keep(page):
        return
    changes, state, pending = files.changes, files.state, files.state.pending
    if is_dry:
        has_page = files.folder.has(FRONT_PAGE)
        (changes.updated if has_page else changes.written).append(FRONT_PAGE)
        files.mark_changed()
        return
    files.mark_changed()
    options = SiteOptions(
        title=settings.title or name,
        base_url=settings.base_url,
        language=settings.language,
        templates=settings.templates,
        sources=settings.sources,
        one_per_content=settings.per == "content",
        time_zone=time_zone,
    )
    built = build_site(db, settings.folder, options)
    changes.written_count += built.written
    changes.removed_count += built.removed
    changes.unchanged += built.unchanged
    changes.left_alone.update(built.left_alone)
    if not (built.written or built.removed):
        state.set_pending(pending)
    state.put(Entry(key=page.key, path=page.path, version=page.version, sha256=""))


def _version(articles: Sequence[PublishedArticle], settings: PublishSettings) -> str:
    """A digest of all that the site is made of, the templates of copydesk and of the user too."""
    digest = hashlib.sha256(f"{version('copydesk')} {version_of(articles, settings)}".encode())
    for file in _files_below(settings.templates):
        digest.update(f"{file}\n".encode("utf-8", "surrogateescape"))
        digest.update(file.read_bytes())
    return digest.hexdigest()[:32]


def _files_below(folder: Path | None) -> list[Path]:
    return sorted(one for one in folder.rglob("*") if one.is_file()) if folder else []

"""The templates of a site: those of copydesk, and the user's own in their place."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from datetime import UTC, tzinfo
from hashlib import blake2b
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import BaseLoader, ChoiceLoader, FileSystemLoader, PackageLoader, TemplateError
from markupsafe import Markup

from flows.errors import ConfigurationError
from flows.web.environment import make_environment, style_sheet
from flows.web.language import Language
from flows.web.site.articles import SiteArticle
from flows.web.site.lists import ArticleList
from flows.web.site.options import SiteOptions
from parsers.frontmatter.file_names import is_portable

SECTIONS = (
    ("index.html", "Home"),
    ("sources/index.html", "Sources"),
    ("categories/index.html", "Categories"),
    ("tags/index.html", "Tags"),
    ("days/index.html", "Days"),
    ("search.html", "Search"),
)
"""The pages that every page links: path and English name."""

STATIC = "static"
"""The folder of the user's templates whose files are copied as they are."""

_OWN_FILES = (".html", ".py", ".css", ".js")
_REST = "base-uri 'none'; form-action 'self'"
_POLICY = (
    "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' https: http: data:; "
    f"media-src https: http:; {_REST}"
)
_SEARCH_POLICY = f"script-src 'self'; {_POLICY}"


class SiteTemplates:
    """Renders the pages of one site.

    Attributes:
        digest: A hash of the templates, the style sheet, the options and the code: of all that a
            page is made of beside its articles.
    """

    def __init__(self, options: SiteOptions, language: Language) -> None:
        """Load no template yet; those in ``options.templates`` are found first."""
        self._options = options
        self._language = language
        self._zones: dict[str | None, tzinfo] = {None: ZoneInfo(options.time_zone)}
        self._environment = make_environment(self._loader())
        self._environment.globals.update(
            site=options,
            language=language,
            t=language.text,
            sections=SECTIONS,
            policy=_POLICY,
            search_policy=_SEARCH_POLICY,
            when=self._when,
            list_path=_list_path,
        )
        self.digest = self._digest()

    def render(self, template: str, **values: object) -> str:
        """Render ``site/<template>``.

        Raises:
            ConfigurationError: A template of the user is wrong; the message names the line.
        """
        try:
            return self._environment.get_template(f"site/{template}").render(**values)
        except TemplateError as error:
            raise ConfigurationError(_fault(error, template)) from error

    def text_of(self, name: str) -> str:
        """Return ``style.css`` or ``search.js``: the user's file, else that of copydesk."""
        if self._options.templates and (own := self._options.templates / name).is_file():
            return own.read_text("utf-8")
        return style_sheet() if name == "style.css" else _own_file(name)

    def static_files(self) -> Iterator[tuple[str, bytes]]:
        """Yield path and bytes of the files that are copied."""
        if not self._options.templates:
            return
        folder = self._options.templates / STATIC
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.is_symlink():
                path = file.relative_to(folder).as_posix()
                if not is_portable(path):
                    raise ConfigurationError(
                        f"{file}: a hidden file, or a name that some disks refuse; rename or move it"
                    )
                yield f"{STATIC}/{path}", file.read_bytes()

    def _loader(self) -> BaseLoader:
        own = PackageLoader("flows.web")
        if self._options.templates is None:
            return own
        return ChoiceLoader([FileSystemLoader(self._options.templates), own])

    def _digest(self) -> str:
        parts = [f"{self._options!r} {self._language.code}"]
        parts += [f"{name}\0{text}" for name, text in _texts(files("flows.web"))]
        if self._options.templates:
            parts += [f"{name}\0{text}" for name, text in _texts(self._options.templates)]
        return blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()

    def _when(self, article: SiteArticle) -> Markup | str:
        """The time of publication in the zone of its source, as precise as it is known."""
        at, on = article.published_at, article.published_on
        if at is None or article.published_precision == "day":
            if on is None:
                return self._language.text("day unknown")
            return Markup('<time datetime="{}">{}</time>').format(on, self._language.day(on))
        local = at.astimezone(self._zone(article.published_timezone))
        text = self._language.moment(local, local.tzinfo or UTC)
        return Markup('<time datetime="{}">{}</time>').format(local.isoformat(), text)

    def _zone(self, name: str | None) -> tzinfo:
        if name not in self._zones:
            try:
                self._zones[name] = ZoneInfo(str(name))
            except (KeyError, ValueError):
                self._zones[name] = self._zones[None]
        return self._zones[name]


def _list_path(kind: str, name: str) -> str:
    return ArticleList(kind=kind, name=name, articles=()).path


def _own_file(name: str) -> str:
    return files("flows.web.site").joinpath(name).read_text(encoding="utf-8")


def _texts(folder: Traversable | Path) -> Iterator[tuple[str, str]]:
    """Name and text of each file of code below a folder, in the order of their names."""
    for one in sorted(folder.iterdir(), key=lambda one: one.name):
        if one.is_dir() and one.name not in ("__pycache__", STATIC):
            yield from _texts(one)
        elif one.name.endswith(_OWN_FILES):
            yield one.name, one.read_bytes().decode("utf-8", "replace")


def _fault(error: TemplateError, template: str) -> str:
    """The place in a template and the reason."""
    name, line = getattr(error, "filename", None) or f"site/{template}", getattr(error, "lineno", 0)
    if not line:
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename.endswith((".html", ".css")):
                name, line = frame.filename, frame.lineno
    return f"{name}, line {line}: {error.message or type(error).__name__}"

"""Find the folders of posts of a Jekyll or Hexo site.

The root of a site has a configuration (``_config.yml`` or ``_config.toml``) or a file of either
program. It also has a folder of posts: ``_posts``, ``_drafts`` or ``old_post``, at any depth.
The configuration is read for the language, the time zone and the names of folders.

A folder inside a site is imported as it is: its site names the dialect of its posts.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from parsers.errors import BadFrontMatter
from parsers.frontmatter import NO_DEFAULTS, Dialect, PostDefaults
from parsers.frontmatter.yaml_head import yaml_fields
from parsers.model import Extracted

POST_FOLDERS = frozenset({"_posts", "_drafts", "old_post"})
_CONFIGS = ("_config.yml", "_config.yaml", "_config.toml")
_SITE_FILES = ("_layouts", "_includes", "Gemfile", "scaffolds")
_THEME = frozenset({"_layouts", "_includes", "_sass", "_data", "themes", "scaffolds"})
_INSTALLED = frozenset({"node_modules", "vendor"})
_MADE = ("destination", "public_dir")
_MAX_CONFIG_BYTES = 1_000_000
_HEXO_KEYS = frozenset(
    {
        "archive_dir", "category_dir", "code_dir", "default_category", "default_layout",
        "filename_case", "index_generator", "new_post_name", "post_asset_folder", "public_dir",
        "render_drafts", "skip_render", "source_dir", "syntax_highlighter", "tag_dir",
    }
)  # fmt: skip
_JEKYLL_KEYS = frozenset(
    {
        "baseurl", "collections", "collections_dir", "defaults", "destination", "gems",
        "highlighter", "kramdown", "markdown", "paginate", "plugins", "remote_theme", "sass",
        "source",
    }
)  # fmt: skip
_GENERATOR_FILES: tuple[tuple[str, Dialect], ...] = (
    ("Gemfile", "jekyll"),
    ("_layouts", "jekyll"),
    ("_includes", "jekyll"),
    ("scaffolds", "hexo"),
    ("hugo.toml", "hugo"),
    ("hugo.yaml", "hugo"),
    ("hugo.json", "hugo"),
)
_MAX_LEVELS = 8
_SPECIAL = re.compile(r"(?:\A|(?<=/))(?:_posts|_drafts|old_post)(?:/|\Z)")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A Jekyll or Hexo site. All paths are relative to its root, ``/`` between names.

    Attributes:
        folders: The folders of posts.
        not_searched: Folders that hold no posts of the site, with the reason.
        defaults: What the configuration declares for all posts.
        dialect_folder: The folder of sources that the configuration names, and its dialect.
        bases: The folders, longest first, below which the folders of posts name categories.
        problem: Why the configuration cannot be used; empty if it can.
    """

    folders: frozenset[str]
    not_searched: Mapping[str, str]
    defaults: PostDefaults = NO_DEFAULTS
    dialect_folder: tuple[str, Dialect] | None = None
    bases: tuple[str, ...] = ()
    problem: str = ""

    def has_posts_in(self, folder: str) -> bool:
        """Whether files of a folder are posts."""
        while folder and folder not in self.folders:
            folder = folder.rpartition("/")[0]
        return folder in self.folders

    def defaults_of(self, folder: str) -> PostDefaults:
        """The values of posts of a folder that lack them.

        Jekyll takes the folders above ``_posts`` for categories. A post that a publication moved
        to ``old_post`` keeps them.
        """
        dialect: Dialect | None = None
        if self.dialect_folder and f"{folder}/".startswith(f"{self.dialect_folder[0]}/"):
            dialect = self.dialect_folder[1]
        is_hexo = dialect == "hexo" or folder.startswith("source/")
        categories = () if is_hexo else self._folder_categories(folder)
        return replace(self.defaults, categories=categories, dialect=dialect)

    def _folder_categories(self, folder: str) -> tuple[str, ...]:
        found = _SPECIAL.search(folder)
        above = folder[: found.start()] if found else ""
        base = next((one for one in self.bases if f"{above}/".startswith(f"{one}/")), "")
        return tuple(filter(None, above.removeprefix(base).split("/")))


@dataclass(slots=True)
class _Config:
    values: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    problem: str = ""

    def word(self, key: str) -> str:
        value = self.values.get(key)
        return value.strip() if isinstance(value, str) else ""

    def folder(self, key: str) -> str:
        """A folder inside the site; empty if it is the root, or not inside."""
        parts = [
            one for one in self.word(key).replace("\\", "/").split("/") if one not in ("", ".")
        ]
        return "" if ".." in parts else "/".join(parts)


def site_of(root: Path) -> Site | None:
    """Return the site whose root a folder is; ``None`` if it is none."""
    names = set(os.listdir(root))  # noqa: PTH208 - names are enough
    if not names.intersection((*_CONFIGS, *_SITE_FILES)):
        return None
    config = _read_config(root)
    not_searched = _not_searched(names, config)
    folders = frozenset(_post_folders(root, not_searched))
    if not folders:
        return None
    return Site(
        folders=folders,
        not_searched=not_searched,
        defaults=_defaults(config),
        dialect_folder=_dialect_folder(config),
        bases=_bases(config),
        problem=config.problem,
    )


def dialect_around(folder: Path) -> Dialect | None:
    """Return the dialect of the site that a folder is a part of; ``None`` if it is unknown.

    The search goes up to the first folder that names one, or that is a repository.
    """
    folder = Path(os.path.abspath(folder))  # noqa: PTH100 - links stay
    for root in (folder, *folder.parents)[:_MAX_LEVELS]:
        try:
            names = set(os.listdir(root))  # noqa: PTH208 - names are enough
        except OSError:
            return None
        below = folder.relative_to(root).as_posix()
        if found := _declared_dialect(root, names, below):
            return found
        if ".git" in names:
            return None
    return None


def _declared_dialect(root: Path, names: set[str], below: str) -> Dialect | None:
    """The dialect that the files of one folder name, for the posts of a folder below it."""
    if "package.json" in names and _names_hexo(root / "package.json"):
        return "hexo"
    config = _read_config(root)
    keys = config.values.keys()
    weight = len(_HEXO_KEYS & keys) - len(_JEKYLL_KEYS & keys)
    if weight:
        return "hexo" if weight > 0 else "jekyll"
    for name, dialect in _GENERATOR_FILES:
        if name in names:
            return dialect
    sources = ("source/",) if config.name else ("source/_posts/", "source/_drafts/")
    return "hexo" if f"{below}/".startswith(sources) else None


def _names_hexo(file: Path) -> bool:
    """Whether a ``package.json`` is that of a Hexo site."""
    try:
        if file.is_symlink() or file.stat().st_size > _MAX_CONFIG_BYTES:
            return False
        package = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    if not isinstance(package, dict):
        return False
    groups = [package, *(package.get(key) for key in ("dependencies", "devDependencies"))]
    return any("hexo" in group for group in groups if isinstance(group, dict))


def _not_searched(names: set[str], config: _Config) -> dict[str, str]:
    made = {"_site", "public", *filter(None, map(config.folder, _MADE))}
    declared = {config.folder(key) for key in ("source", "source_dir", "collections_dir")}
    reasons = dict.fromkeys(_THEME, "part of the theme or its data")
    reasons |= dict.fromkeys(_INSTALLED, "installed packages")
    reasons |= dict.fromkeys(made, "written by the generator")
    found = {name: why for name, why in reasons.items() if name.split("/")[0] in names}
    return {
        name: why
        for name, why in found.items()
        if not any(f"{one}/".startswith(f"{name}/") for one in declared)
    }


def _post_folders(root: Path, not_searched: Mapping[str, str]) -> Iterator[str]:
    real_root = Path(os.path.realpath(root))
    for folder, folders, _ in os.walk(root):
        here = _relative(folder, root)
        folders[:] = sorted(
            name for name in folders if name[0] != "." and f"{here}{name}" not in not_searched
        )
        for name in sorted(POST_FOLDERS.intersection(folders)):
            path = f"{here}{name}"
            if os.path.islink(os.path.join(folder, name)):  # noqa: PTH114, PTH118 - there are many
                target = Path(os.path.realpath(root / path))
                if target.is_relative_to(real_root) and target != real_root:
                    yield target.relative_to(real_root).as_posix()
            yield path
            folders.remove(name)  # all of it is posts


def _relative(folder: str, root: Path) -> str:
    inner = os.path.relpath(folder, root)
    return "" if inner == os.curdir else f"{inner.replace(os.sep, '/')}/"


# --- the configuration -----------------------------------------------------------------


def _read_config(root: Path) -> _Config:
    name = next((one for one in _CONFIGS if (root / one).is_file()), "")
    if not name:
        return _Config()
    file = root / name
    if file.is_symlink():
        return _Config(problem=f"{name}: a link, not followed")
    try:
        with file.open("rb") as stream:
            data = stream.read(_MAX_CONFIG_BYTES + 1)
        if len(data) > _MAX_CONFIG_BYTES:
            return _Config(problem=f"{name}: more than {_MAX_CONFIG_BYTES:,} bytes")
        text = data.decode("utf-8-sig")
        is_toml = name.endswith(".toml")
        return _Config(tomllib.loads(text) if is_toml else yaml_fields(text, 1, name), name)
    except (OSError, ValueError, BadFrontMatter, RecursionError) as error:
        why = " ".join(str(error).split())
        return _Config(problem=why if why.startswith(name) else f"{name}: {why}")


def _defaults(config: _Config) -> PostDefaults:
    how = f"site configuration: {config.name}"
    language, timezone = _language(config), config.word("timezone")
    zone = zone_of(timezone)
    if timezone and zone is None:
        config.problem = f"{config.name}: timezone: {timezone!r} is no time zone"
    return PostDefaults(
        language=Extracted(language, how) if language else None,
        zone=zone,
        zone_how=how if zone else "",
    )


def _language(config: _Config) -> str:
    """The declared language; Hexo may list several, the first is that of the posts."""
    for key in ("lang", "language", "locale"):
        value = config.values.get(key)
        first = value[0] if isinstance(value, list | tuple) and value else value
        if isinstance(first, str) and is_language(first.strip()):
            return first.strip().replace("_", "-")
    return ""


def is_language(text: str) -> bool:
    """Whether a text has the form of a BCP 47 tag."""
    return _LANGUAGE.fullmatch(text) is not None


@cache
def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of a name of the IANA database; ``None`` if there is none."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _bases(config: _Config) -> tuple[str, ...]:
    source, collections = config.folder("source"), config.folder("collections_dir")
    both = "/".join(filter(None, (source, collections)))
    return tuple(filter(None, dict.fromkeys((both, source))))


def _dialect_folder(config: _Config) -> tuple[str, Dialect] | None:
    if folder := config.folder("source_dir"):
        return folder, "hexo"
    folder = config.folder("source")
    return (folder, "jekyll") if folder else None

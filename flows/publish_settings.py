"""``[publish.<name>]``: where and how the articles of some sources are published."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path, PurePosixPath
from string import Formatter
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from flows.errors import ConfigurationError
from flows.schedules import Schedule, parse_schedule

Format: TypeAlias = Literal["jekyll", "hexo", "hugo", "site", "feed", "jsonl"]
FrontMatterValue: TypeAlias = bool | int | str | tuple[str, ...]

POST_FORMATS = frozenset({"jekyll", "hexo", "hugo"})
FILE_NAME_FIELDS = frozenset({"day", "year", "month", "source", "id", "title", "categories"})
_POST_KEYS = ("category_pages", "file_name", "front_matter", "footer", "rest")
_OF_POSTS = frozenset({"_posts", "_drafts", "old_post", "posts"})
_NO_SHELL = (
    'expected a list of arguments, such as ["./publish.sh"], or a list of such lists: no shell '
    "runs it"
)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_ADDRESS = re.compile(r"(?:https?:)?//[^\s<>()\[\]{}\"'\\?#]+")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_FROM_ARTICLE = frozenset(
    {"title", "date", "article_id", "source_url", "categories", "tags", "media"}
)


class PublishSettings(BaseModel):
    """``[publish.<name>]``: one publication.

    Attributes:
        sources: Names of sources; empty for every article of the warehouse.
        per: One post for each article, or one for all articles with the same content.
        window_days: Posts of the newest days stay in the folder of posts.
        window_posts: The newest posts of each source stay in the folder of posts; for a feed the
            number of its entries.
        rest: What happens to the other posts.
        category_pages: The folder of a page for each category (Jekyll).
        file_name: Pattern of the names of new posts, without extension.
        front_matter: More keys of new posts.
        footer: Address of the site in the footer of finews posts.
        base_url: Address of the site in feeds and pages.
        title: Title of feeds and pages.
        language: Of the words of a site; empty for that of most articles.
        templates: A folder of templates in place of those of copydesk (site).
        schedule: When to publish; empty: after each sync of the sources.
        command: One command, or several in order: lists of arguments.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Format
    folder: Path
    sources: tuple[str, ...] = ()
    per: Literal["article", "content"] = "article"
    window_days: int | None = Field(default=None, ge=1, le=36_500)
    window_posts: int | None = Field(default=None, ge=1, le=10_000_000)
    rest: Literal["old_post", "remove"] = "old_post"
    category_pages: str = ""
    file_name: str = ""
    front_matter: dict[str, FrontMatterValue] = Field(default_factory=dict)
    footer: str = ""
    base_url: str = ""
    title: str = ""
    language: Literal["", "en", "zh"] = ""
    templates: Path | None = None
    schedule: str = ""
    command: tuple[tuple[str, ...], ...] = ()
    command_timeout_seconds: float = Field(default=600.0, gt=0, le=86_400)

    @field_validator("folder", "templates", mode="before")
    @classmethod
    def _check_path(cls, given: Any) -> Any:
        if given is not None and not isinstance(given, Path) and not str(given).strip():
            raise ValueError('expected the path of a folder; "." is that of the configuration')
        if given is not None and not isinstance(given, str | Path):
            raise ValueError("expected the path of a folder, such as site")
        return given

    @field_validator("command", mode="before")
    @classmethod
    def _accept_one_command(cls, given: Any) -> Any:
        if isinstance(given, str):
            raise ValueError(_NO_SHELL)  # noqa: TRY004  # pydantic reports it
        is_one = (
            isinstance(given, list | tuple) and given and all(isinstance(a, str) for a in given)
        )
        return [given] if is_one else given

    @field_validator("command")
    @classmethod
    def _check_commands(cls, given: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        if not all(one and one[0] for one in given):
            raise ValueError("expected at least a program in each command")
        if any("\0" in argument for one in given for argument in one):
            raise ValueError("expected arguments without NUL characters")
        return given

    @field_validator("front_matter")
    @classmethod
    def _check_keys(cls, given: dict[str, FrontMatterValue]) -> dict[str, FrontMatterValue]:
        for key in given:
            if not _KEY.fullmatch(key):
                raise ValueError(f"expected keys of letters, digits, _ and -, not {key!r}")
            if key in _FROM_ARTICLE:
                raise ValueError(f"the article gives {key!r}: leave it out")
        return given

    @field_validator("footer", "base_url")
    @classmethod
    def _check_address(cls, given: str) -> str:
        if given and not _ADDRESS.fullmatch(given):
            raise ValueError("expected an address such as https://news.example.org")
        return given.rstrip("/")

    @field_validator("category_pages")
    @classmethod
    def _check_folder(cls, given: str) -> str:
        parts = PurePosixPath(given).parts
        if given and (given.startswith("/") or any(one[0] in "._" for one in parts)):
            raise ValueError("expected the name of a folder in the site, such as category")
        return "/".join(parts)

    @field_validator("file_name")
    @classmethod
    def _check_file_name(cls, given: str) -> str:
        try:
            parsed = list(Formatter().parse(given))
        except ValueError as error:
            raise ValueError(f"expected a pattern such as {{day}}-{{title}}: {error}") from None
        fields = [name for _, name, _, _ in parsed if name is not None]
        has_options = any(spec or conversion for _, _, spec, conversion in parsed)
        if has_options or not set(fields) <= FILE_NAME_FIELDS:
            known = ", ".join(f"{{{one}}}" for one in sorted(FILE_NAME_FIELDS))
            raise ValueError(f"expected a pattern of text and {known}")
        if given and not {"id", "title"} & set(fields):
            raise ValueError("expected {id} or {title}, which distinguish the posts")
        if given.startswith("/") or any(one.startswith(".") for one in given.split("/")):
            raise ValueError("expected a name inside the folder of posts")
        return given

    @model_validator(mode="after")
    def _check(self) -> PublishSettings:
        if self.window_days and self.window_posts:
            raise ValueError("expected one of window_days and window_posts")
        if self.format not in POST_FORMATS:
            for key in _POST_KEYS:
                if key in self.model_fields_set:
                    raise ValueError(f"{key} is for jekyll, hexo and hugo, not for {self.format}")
        if self.base_url.startswith("//"):
            raise ValueError("base_url: expected an address that begins with https://")
        for key in ("language", "templates") if self.format != "site" else ():
            if key in self.model_fields_set:
                raise ValueError(f"{key} is for site, not for {self.format}")
        for key in ("base_url", "title") if self.format not in ("feed", "site") else ():
            if key in self.model_fields_set:
                raise ValueError(f"{key} is for feed and site, not for {self.format}")
        if self.format == "site" and (self.window_days or self.window_posts):
            raise ValueError("a site has all articles: leave out window_days and window_posts")
        if self.format == "feed" and self.per == "content":
            raise ValueError("per: a feed has one entry for each article")
        if self.format != "jekyll":
            if self.category_pages:
                raise ValueError(f"category_pages is for jekyll: {self.format} makes its own")
            if self.footer:
                raise ValueError("footer is for jekyll: no other format has one")
        elif self.file_name and not self.file_name.rpartition("/")[2].startswith("{day}-"):
            raise ValueError("file_name: expected {day}- at the start of the name, as Jekyll needs")
        return self


def _check_all(given: dict[str, PublishSettings]) -> dict[str, PublishSettings]:
    for name in given:
        if not _NAME.fullmatch(name):
            raise ValueError(f"expected names of small letters, digits, _ and -, not {name!r}")
    return given


Publications: TypeAlias = Annotated[dict[str, PublishSettings], AfterValidator(_check_all)]
"""The sections ``[publish.<name>]`` by name."""


def publication_schedules(found: Mapping[str, PublishSettings], zone: str) -> dict[str, Schedule]:
    """The schedules of the publications that have one of their own.

    Raises:
        ConfigurationError: A schedule cannot be used.
    """
    schedules = {}
    for name, one in found.items():
        if one.schedule:
            try:
                schedules[name] = parse_schedule(one.schedule, zone)
            except ValueError as error:
                raise ConfigurationError(f"publish.{name}.schedule: {error}") from None
    return schedules


def with_absolute_folders(
    found: Mapping[str, PublishSettings], folder: Path, own: Mapping[str, Path]
) -> dict[str, PublishSettings]:
    """The publications with folders that start at the one of the configuration file.

    Args:
        found: By name.
        folder: The one of the configuration file.
        own: Folders of copydesk that hold no publication, by name.

    Raises:
        ConfigurationError: Two publications would write the same files, or one of them would
            write into a folder of copydesk.
    """

    def absolute(one: PublishSettings) -> PublishSettings:
        paths = {"folder": one.folder, "templates": one.templates}
        update = {key: folder / path.expanduser() for key, path in paths.items() if path}
        return one.model_copy(update=update)

    made = {name: absolute(one) for name, one in found.items()}
    names: dict[tuple[Path, str], str] = {}
    for name, one in made.items():
        kind = "posts" if one.format in POST_FORMATS else one.format
        other = names.setdefault((one.folder.resolve(), kind), name)
        if other != name:
            raise ConfigurationError(
                f"publish.{name}.folder: expected a folder for each publication, found that of "
                f"{other}: {one.folder}"
            )
        for what, path in own.items():
            if one.folder.resolve().is_relative_to(path.resolve()):
                raise ConfigurationError(
                    f"publish.{name}.folder: expected a folder of its own, found {what}: {one.folder}"
                )
    _refuse_nested({name: one for name, one in made.items() if one.format in POST_FORMATS})
    return made


def _refuse_nested(found: Mapping[str, PublishSettings]) -> None:
    """Refuse a publication inside the posts of another one, which would see its files."""
    for (name, one), (other, outer) in permutations(found.items(), 2):
        inner, above = one.folder.resolve(), outer.folder.resolve()
        if inner.is_relative_to(above) and _OF_POSTS & set(inner.relative_to(above).parts):
            raise ConfigurationError(
                f"publish.{name}.folder: expected a folder outside the posts of {other}, found "
                f"{one.folder}"
            )

"""Scaffold a source from one of its pages: ``copydesk sources new``.

In any folder the result is a package with an entry point, a recorded page and a test. In
copydesk's own tree it is a module of ``parsers/sources`` with its fixture and registry lines.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flows.errors import ConfigurationError, RunFailed
from flows.fetch import Fetcher, FetchResponse, decode_page, stored_response
from flows.pipeline.batch import build_request
from flows.pipeline.run import fetch_policy
from flows.scaffold import cases, templates
from flows.scaffold.draft import Draft, draft_of
from flows.secrets.urls import SECRETS
from flows.settings import Settings
from parsers import registry
from parsers.errors import ParseError
from parsers.model import Parser
from parsers.text.urls import is_http, url_parts

MAX_PAGE_BYTES = 20_000_000
_SLUG = re.compile(r"[a-z][a-z0-9_-]{0,40}")
_CASE = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSource:
    """What was written.

    Attributes:
        folder: The package, or copydesk's tree.
        files: Paths inside it.
        parser: The name of the parser.
        feed: The feed that the drafted source reads; empty when the page links none.
        article: The article JSON that the drafted parser gives for the page.
        warnings: What the drafted parser gives otherwise than the generic one.
        is_package: It is a package of its own.
    """

    folder: Path
    files: tuple[str, ...]
    parser: str
    feed: str
    article: dict[str, Any]
    warnings: tuple[str, ...]
    is_package: bool

    def as_json(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "folder": str(self.folder),
            "files": list(self.files),
            "parser": self.parser,
            "feed": self.feed or None,
            "article": self.article,
            "warnings": list(self.warnings),
            "package": self.is_package,
        }

    def __str__(self) -> str:
        """The files, the article, and what to do next."""
        test = "python -m pytest" if self.is_package else "make test"
        article = {name: self.article[name] for name in ("title", "published_at", "authors")}
        return "\n".join(
            [
                f"{self.folder}:",
                *(f"    {name}" for name in self.files),
                *(f"{name}: {value}" for name, value in article.items()),
                f"text: {len(self.article['text'])} characters",
                f"feed: {self.feed or 'none found; the option article_urls names articles'}",
                *(f"! {message}" for message in self.warnings),
                f"Next: correct {next(one for one in self.files if one.endswith(cases.SUFFIX))} by "
                f"eye, then the selectors, until `{test}` passes there.",
                *(
                    [
                        f'Then: pip install -e {self.folder}, and parser = "{self.parser}" in a '
                        "section of copydesk.toml"
                    ]
                    if self.is_package
                    else [f'Then: parser = "{self.parser}" in a section of copydesk.toml']
                ),
            ]
        )


def new_source(
    settings: Settings, slug: str, url: str, *, folder: Path, file: Path | None = None
) -> NewSource:
    """Record a page, draft a parser and its test, and write them.

    Args:
        settings: How to fetch.
        slug: The name of the source and its parser.
        url: The address of an article page.
        folder: Where the package is made, or copydesk's tree.
        file: The page, when it was saved before; otherwise it is fetched.

    Raises:
        ConfigurationError: The name is taken or no name, or the files exist.
        FetchError: The page cannot be fetched.
        RunFailed: The page holds no article that can be found.
    """
    _check_name(slug, url)
    in_tree = _is_tree(folder)
    target = folder if in_tree else folder / f"copydesk-{slug}"
    case = _case_name(url)
    _check_absent(target, slug, in_tree)
    response = _response(settings, url, file)
    page = decode_page(response, None)
    try:
        draft = draft_of(page)
    except ParseError as error:
        raise RunFailed(
            f"no article can be found: {error}. Give the address of an article page; save a page "
            "that a script builds from a browser, and give it with --page FILE"
        ) from error
    module = f"copydesk_{slug.replace('-', '_')}" if not in_tree else slug.replace("-", "_")
    with tempfile.TemporaryDirectory() as made:
        part = Path(made)
        texts = _texts(part, slug, module, case, url, draft, in_tree)
        for name, text in texts.items():
            _write(part / name, text)
        source_file = part / next(name for name in texts if name.endswith(f"{module}.py"))
        pages = part / ("tests/pages" if not in_tree else f"tests/fixtures/{slug}")
        parser = _load(source_file, module)
        article = _record(parser, pages, case, response)
        if in_tree:  # a test of the tree compares it
            versions = cases.version_of(parser, pages)
            _write(pages / cases.VERSIONS, json.dumps(versions, indent=2) + "\n")
        made_files = (one for one in part.rglob("*") if one.is_file() and one.suffix != ".pyc")
        names = sorted(str(one.relative_to(part)) for one in made_files)
        for name in names:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(part / name, target / name)
    if in_tree:
        _register(folder / "parsers" / "registry.py", module)
        names.append("parsers/registry.py")
    return NewSource(
        folder=target,
        files=tuple(names),
        parser=slug,
        feed=draft.feed,
        article=article,
        warnings=tuple(_differences(draft, article)),
        is_package=not in_tree,
    )


def _check_name(slug: str, url: str) -> None:
    if not _SLUG.fullmatch(slug):
        raise ConfigurationError(
            "expected a name of small letters, digits, _ and - that begins with a letter, "
            f"found {slug!r}"
        )
    if slug in registry.PARSERS:
        raise ConfigurationError(f"there is a parser {slug!r} already: choose another name")
    if not is_http(url):
        raise ConfigurationError(f"expected the http or https URL of an article, found {url!r}")


def _is_tree(folder: Path) -> bool:
    return (folder / "parsers" / "registry.py").is_file() and (folder / "tests/fixtures").is_dir()


def _check_absent(target: Path, slug: str, in_tree: bool) -> None:
    module = f"parsers/sources/{slug.replace('-', '_')}.py"
    paths = [target / module, target / "tests/fixtures" / slug] if in_tree else [target]
    for path in paths:
        if path.exists():
            raise ConfigurationError(f"{path} exists: remove it, or choose another name")


def _case_name(url: str) -> str:
    name = url_parts(url).path.rstrip("/").rpartition("/")[2].partition(".")[0]
    return _CASE.sub("-", name.lower()).strip("-")[:60] or "article"


def _response(settings: Settings, url: str, file: Path | None) -> FetchResponse:
    url = SECRETS.mask_page(url)
    if file is None:
        with Fetcher(fetch_policy(settings, settings.usable_sources())) as fetcher:
            return fetcher.fetch(build_request(url, None))
    if file.stat().st_size > MAX_PAGE_BYTES:
        raise RunFailed(f"{file}: expected a page of at most {MAX_PAGE_BYTES} bytes, found more")
    return stored_response(url, file.read_bytes(), fetched_at=datetime.now(UTC))


def _texts(
    part: Path, slug: str, module: str, case: str, url: str, draft: Draft, in_tree: bool
) -> dict[str, str]:
    text = templates.module_text(slug, url, draft)
    if in_tree:
        return {f"parsers/sources/{module}.py": text}
    return {
        f"{module}.py": text,
        "pyproject.toml": templates.project_text(slug, module, draft.home, version("copydesk")),
        "README.md": templates.readme_text(slug, module, case, url, draft),
        f"tests/test_{module.removeprefix('copydesk_')}.py": templates.module_test_text(
            slug, module
        ),
    }


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def _load(file: Path, module: str) -> Parser:
    name = f"_drafted_{module}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise RunFailed(f"{file} cannot be imported")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    try:
        spec.loader.exec_module(loaded)
    finally:
        del sys.modules[name]
    parser: Parser = loaded.PARSER
    return parser


def _record(parser: Parser, pages: Path, case: str, response: FetchResponse) -> dict[str, Any]:
    """Write the page and the result of the drafted parser; return its article."""
    pages.mkdir(parents=True)
    (pages / f"{case}.html").write_bytes(response.body)
    kept = {"url": response.final_url, "fetched_at": response.fetched_at.isoformat()}
    kept |= {"content_type": response.content_type} if response.content_type else {}
    file = pages / f"{case}{cases.SUFFIX}"
    file.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")
    cases.write(cases.case_in(parser, file))
    found = json.loads(file.read_text(encoding="utf-8"))
    if "article" not in found:
        raise RunFailed(
            f"the drafted parser cannot parse its own page: {found['error']}. This is an error of "
            "copydesk: report it with the address of the page"
        )
    article: dict[str, Any] = found["article"]
    return article


def _differences(draft: Draft, article: dict[str, Any]) -> list[str]:
    """What the drafted parser gives otherwise than the generic one."""
    model, messages = draft.article, []
    published = model.published_at.isoformat() if model.published_at else None
    values = {
        "title": (model.title, article["title"]),
        "published_at": (published, article["published_at"]),
        "authors": (list(model.authors), article["authors"]),
    }
    for name, (expected, found) in values.items():
        if expected != found:
            messages.append(f"{name}: the generic parser gives {expected!r}, the draft {found!r}")
    if len(article["text"] or "") > 1.5 * len(model.text or ""):
        messages.append("text: the draft has much more than the generic parser; narrow the body")
    if draft.published is None:
        messages.append("published: no selector gives a time")
    return messages


def _register(file: Path, module: str) -> None:
    """Add a module to the registry of copydesk's tree."""
    text = file.read_text(encoding="utf-8")
    found = re.search(r"^from parsers\.sources import \(?([^)\n]*(?:\n[^)]*\n)?)\)?$", text, re.M)
    if found is None or "_REGISTERED = (" not in text:
        raise RunFailed(f"{file} has another form: add {module}.PARSER to it by hand")
    names = sorted({module, *re.findall(r"\w+", found[1])})
    line = f"from parsers.sources import {', '.join(names)}"
    if len(line) > 100:
        line = "from parsers.sources import (\n" + "".join(f"    {one},\n" for one in names) + ")"
    text = text.replace(found[0], line)
    head, mark, rest = text.partition("_REGISTERED = (\n")
    inside, end, tail = rest.partition("\n)\n")
    text = f"{head}{mark}{inside}\n    {module}.PARSER,{end}{tail}"
    file.write_text(text, encoding="utf-8")

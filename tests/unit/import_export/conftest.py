"""Articles made by hand, the seeds, and the three programs' own rules for a head."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml
from ruamel.yaml import YAML

from flows.import_export.find_posts import PostPath, UnreadablePost, parse_post, read_bytes
from flows.import_export.write_files import ExportResult, PlannedFile, file_exists, write_files
from parsers.frontmatter import Dialect, Post, post_path, write_post
from parsers.model import Article, CanonicalUrl
from warehouse.rows import StoredPost

SEEDS = Path(__file__).parents[3] / "tests" / "site" / "seeds"

MakeArticle = Callable[..., Article]
ReadHead = Callable[[bytes], Mapping[str, Any]]

# jekyll/lib/jekyll/document.rb; Ruby's ^ and $ are per line, its m is Python's DOTALL.
_JEKYLL = re.compile(r"\A(---\s*\n.*?\n?)^((---|\.\.\.)\s*$\n?)", re.DOTALL | re.MULTILINE)
# hexo-front-matter/lib/front_matter.ts
_HEXO = re.compile(r"^(-{3,}|;{3,})\r?\n([\s\S]+?)\r?\n\1\r?\n?([\s\S]*)")


def make_article(**changes: Any) -> Article:
    values: dict[str, Any] = {
        "article_id": "finews:NW202203142308441556",
        "source": "finews",
        "source_article_id": "NW202203142308441556",
        "url": "http://finews.zning.xyz/html_News/NewsShare.html?infoCode=NW202203142308441556",
        "canonical_url": CanonicalUrl(
            "http://finews.zning.xyz/html_News/NewsShare.html?infoCode=NW202203142308441556"
        ),
        "title": "标题",
        "authors": (),
        "publisher": "财联社",
        "published_at": datetime(2022, 3, 14, 12, 43, 16, tzinfo=UTC),
        "published_raw": "2022-03-14 20:43:16",
        "published_precision": "second",
        "published_timezone_source": "source",
        "updated_at": None,
        "categories": ("cailianshe",),
        "tags": ("财联社新闻",),
        "language": "zh-CN",
        "lead_image": None,
        "body_html": "<p>正文。</p>",
        "text": "正文。",
        "content_hash": "c1:" + "0" * 64,
        "parser": "finews",
        "parser_version": "1",
        "provenance": {},
        "original_url": None,
    } | changes
    if "article_id" not in changes:
        values["article_id"] = f"{values['source']}:{values['source_article_id']}"
    return Article(**values)


def read_posts(
    found: Iterable[PostPath | UnreadablePost], *, source: str = ""
) -> Iterator[Post | UnreadablePost]:
    """Each file parsed, or its failure."""
    for each in found:
        data = each if isinstance(each, UnreadablePost) else read_bytes(each)
        if isinstance(data, bytes):
            assert isinstance(each, PostPath)
            yield parse_post(each, data, source)
        else:
            yield data


def write_posts(
    rows: Iterable[tuple[Article, StoredPost | None]],
    directory: Path,
    dialect: Dialect,
    *,
    check: bool = False,
) -> ExportResult:
    """Articles as posts: the imported file where it fits, else a new one."""
    plan, contents = [], []
    for article, own in rows:
        if own and (own.dialect == dialect or file_exists(directory, own.path)):
            path, data, digest = own.path, own.data, sha256(own.data).hexdigest()
        else:
            path, data, digest = post_path(article, dialect), write_post(article, dialect).data, ""
        plan.append(PlannedFile(key=article.article_id, path=path, digest=digest))
        contents.append((article.article_id, data))
    return write_files(plan, contents, directory, check=check)


def _jekyll_head(data: bytes) -> Mapping[str, Any]:
    found = _JEKYLL.match(data.decode("utf-8"))
    assert found, "Jekyll sees no front matter"
    return dict(yaml.safe_load(found[1]))


def _hexo_head(data: bytes) -> Mapping[str, Any]:
    found = _HEXO.match(data.decode("utf-8"))
    assert found, "Hexo sees no front matter"
    strict = YAML(typ="safe", pure=True)
    strict.version = (1, 2)
    return dict(strict.load(io.StringIO(found[2])))


@pytest.fixture(params=[_jekyll_head, _hexo_head], ids=["jekyll_and_yaml_11", "hexo_and_yaml_12"])
def read_head(request: pytest.FixtureRequest) -> ReadHead:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=sorted(SEEDS.glob("*.txt")), ids=lambda path: path.name[:3])
def seed(request: pytest.FixtureRequest) -> Path:
    return request.param  # type: ignore[no-any-return]

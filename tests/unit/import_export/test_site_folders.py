"""The folders of posts of a site, and what its configuration declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.import_export.find_posts import PostPath, Search, UnreadablePost, find_posts, parse_post
from flows.import_export.site_folders import site_of
from flows.import_export.write_files import posts_in
from parsers.frontmatter import Post, PostDefaults, read_post
from parsers.model import Extracted

JEKYLL = (
    "_posts/a.md", "_drafts/b.md", "old_post/2021/c.md", "news/world/_posts/d.markdown",
    "README.md", "404.html", "category/e.md", "category/f.md", "_layouts/post.html", "css/a.css",
    "_site/x/index.html", "node_modules/x/README.md", "_posts/g.png", ".github/h.md",
)  # fmt: skip
HEXO = (
    "source/_posts/新媒体/a.md", "source/_drafts/b.md", "source/about/index.md", "scaffolds/post.md",
    "themes/x/source/_posts/c.md", "public/p/1.html", "package.json",
)  # fmt: skip


def make(root: Path, *paths: str, config: str | None = "title: x\n") -> Path:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("---\ntitle: x\n---\nwords\n", encoding="utf-8")
    if config is not None:
        (root / "_config.yml").write_text(config, encoding="utf-8")
    return root


def searched(root: Path) -> tuple[list[str], dict[tuple[str, str], int]]:
    search = Search()
    found = [one.relative for one in find_posts([root], search=search)]
    return found, dict(search.left_out)


def test_only_the_folders_of_posts_of_a_site_are_searched_and_the_rest_is_counted(
    tmp_path: Path,
) -> None:
    posts, left_out = searched(make(tmp_path, *JEKYLL))

    assert posts == [
        "_drafts/b.md",
        "_posts/a.md",
        "news/world/_posts/d.markdown",
        "old_post/2021/c.md",
    ]
    outside = "outside the folders of posts"
    assert left_out == {
        (".", outside): 3,  # with _config.yml
        ("category", outside): 2,
        ("css", outside): 1,
        ("_layouts", "part of the theme or its data"): 1,
        ("_site", "written by the generator"): 1,
        ("node_modules", "installed packages"): 1,
        ("_posts", "no post by its extension"): 1,
    }
    assert posts_in(tmp_path) == set(posts)


def test_the_posts_of_a_hexo_site_are_those_of_its_source(tmp_path: Path) -> None:
    posts, left_out = searched(make(tmp_path, *HEXO))

    assert posts == ["source/_drafts/b.md", "source/_posts/新媒体/a.md"]
    assert sum(left_out.values()) == len(HEXO) - len(posts) + 1


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ("collections_dir: public\n", "public/_posts/a.md"),
        ("source_dir: vendor\n", "vendor/_posts/a.md"),
        ("source: vendor/src\n", "vendor/src/_posts/a.md"),
        ("source: ../elsewhere\ncollections_dir: 7\n", "_posts/a.md"),
    ],
)
def test_a_folder_that_the_configuration_names_is_searched(
    tmp_path: Path, config: str, path: str
) -> None:
    site = site_of(make(tmp_path, path, config=config))
    assert site is not None
    assert site.folders == {path.removesuffix("/a.md")}
    assert searched(tmp_path)[0] == [path]


@pytest.mark.parametrize("paths", [("a.md", "_posts/b.md"), ("a.md", "b/c.md")])
def test_all_of_any_other_folder_is_searched(tmp_path: Path, paths: tuple[str, ...]) -> None:
    make(tmp_path, *paths, "x.png", config=None)
    assert site_of(tmp_path) is None
    assert searched(tmp_path) == (sorted(paths), {(".", "no post by its extension"): 1})


def test_links_lead_to_posts_of_the_site_only(tmp_path: Path) -> None:
    site = make(tmp_path / "site", "content/a.md", "README.md", "x/_posts/b.md")
    outside = make(tmp_path / "outside", "c.md", config=None)
    (site / "_posts").symlink_to(site / "content")
    (site / "old_post").symlink_to(outside)
    (site / "x/_posts/d.md").symlink_to(site / "README.md")
    (site / "x/_posts/e.md").symlink_to(outside / "c.md")

    search = Search()
    found = list(find_posts([site], search=search))

    assert [one.relative for one in found if isinstance(one, PostPath)] == [
        "content/a.md", "x/_posts/b.md",
    ]  # fmt: skip
    bad = [one.relative for one in found if isinstance(one, UnreadablePost)]
    assert bad == ["old_post", "x/_posts/e.md"]
    assert search.left_out["x", "a link to a file outside the folders of posts"] == 1


@pytest.mark.parametrize(
    ("config", "language", "zone"),
    [
        ("lang: zh-CN\ntimezone: Asia/Shanghai\n", "zh-CN", "Asia/Shanghai"),
        ("language: [zh_CN, en]\ntimezone: ''\n", "zh-CN", None),
        ("language: default\n", None, None),
        ("title: x\n", None, None),
    ],
)
def test_language_and_time_zone_are_those_of_the_configuration(
    tmp_path: Path, config: str, language: str | None, zone: str | None
) -> None:
    site = site_of(make(tmp_path, "_posts/a.md", config=config))
    assert site is not None
    found = site.defaults_of("_posts")
    assert (found.language and found.language.value) == language
    assert (found.zone and found.zone.key) == zone
    assert site.problem == ""


@pytest.mark.parametrize(
    "config",
    ["a: b: c\n", "x: !!python/name:os.system\n", "timezone: Nowhere/Here\n", "\ud800", "[" * 5000],
)
def test_a_configuration_that_cannot_be_read_is_left_out_with_the_reason(
    tmp_path: Path, config: str
) -> None:
    make(tmp_path, "_posts/a.md")
    (tmp_path / "_config.yml").write_bytes(config.encode("utf-8", "surrogatepass"))
    posts, left_out = searched(tmp_path)
    assert posts == ["_posts/a.md"]
    assert any(reason.startswith("_config.yml:") for _, reason in left_out)


def test_a_configuration_behind_a_link_is_not_followed(tmp_path: Path) -> None:
    make(tmp_path / "site", "_posts/a.md", config=None)
    (tmp_path / "other.yml").write_text("lang: fr\n")
    (tmp_path / "site/_config.yml").symlink_to(tmp_path / "other.yml")
    site = site_of(tmp_path / "site")
    assert site is not None
    assert (site.defaults.language, site.problem) == (None, "_config.yml: a link, not followed")


@pytest.mark.parametrize(
    ("config", "folder", "categories"),
    [
        ("", "_posts", ()),
        ("", "news/world/_posts/2022", ("news", "world")),
        ("", "old_post/2022", ()),
        ("", "news/old_post", ("news",)),
        ("", "source/_posts/新媒体", ()),
        ("source: src\ncollections_dir: col\n", "src/col/news/_posts", ("news",)),
        ("source_dir: src\n", "src/a/_posts", ()),
    ],
)
def test_folders_above_the_posts_of_jekyll_are_categories(
    tmp_path: Path, config: str, folder: str, categories: tuple[str, ...]
) -> None:
    site = site_of(make(tmp_path, f"{folder}/a.md", config=config))
    assert site is not None
    assert site.defaults_of(folder).categories == categories


def test_values_of_the_owner_go_before_those_of_the_site_and_after_those_of_the_post(
    tmp_path: Path,
) -> None:
    make(tmp_path, "_posts/a.md", "_posts/b.md", config="lang: zh-CN\n")
    (tmp_path / "_posts/b.md").write_text("---\ntitle: x\nlang: de\n---\nwords\n")
    search = Search(defaults=PostDefaults(language=Extracted("fr", "option: --language")))
    found = [one for one in find_posts([tmp_path], search=search) if isinstance(one, PostPath)]
    posts = [parse_post(one, one.file.read_bytes(), "") for one in found]
    assert [
        (post.article.language, post.article.provenance["language"])
        for post in posts
        if isinstance(post, Post)
    ] == [("fr", "option: --language"), ("de", "front matter: lang")]


def test_categories_of_the_folder_precede_those_of_the_post() -> None:
    data = b"---\ntitle: x\ncategories: b c\n---\nwords\n"
    article = read_post(data, "a/_posts/x.md", defaults=PostDefaults(categories=("a", "b"))).article
    assert article.categories == ("a", "b", "c")
    assert article.provenance["categories"] == "folder; front matter: categories, apart by space"

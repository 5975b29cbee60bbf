"""The dialect of posts that are imported without the root of their site."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.import_export.find_posts import PostPath, find_posts, parse_post
from parsers.frontmatter import Post

HEAD = "title: x\ntags: New York\n"
HEXO_CONFIG = "title: x\nsource_dir: source\nnew_post_name: :title.md\n"
JEKYLL_CONFIG = "title: x\nmarkdown: kramdown\nplugins: [jekyll-feed]\n"
OCTOPRESS_CONFIG = "source: source\ndestination: public\nplugin_dir: plugins\nmarkdown: x\n"
PACKAGE = '{"name": "hexo-site", "dependencies": {"hexo": "7.3.0"}}'
OTHER_PACKAGE = '{"name": "x", "dependencies": {"gulp": "5"}}'


def make(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        is_post = path.endswith(".md")
        (root / path).write_text(f"---\n{text}---\nwords\n" if is_post else text, "utf-8")
    return root


def dialects(*paths: Path) -> dict[str, str]:
    found = [one for one in find_posts(paths) if isinstance(one, PostPath)]
    posts = [parse_post(one, one.file.read_bytes(), "") for one in found]
    return {one.path: one.dialect for one in posts if isinstance(one, Post)}


@pytest.mark.parametrize(
    ("files", "dialect"),
    [
        ({"package.json": PACKAGE}, "hexo"),
        ({"package.json": OTHER_PACKAGE, "_config.yml": HEXO_CONFIG}, "hexo"),
        ({"_config.yml": "title: x\n", "scaffolds/post.txt": ""}, "hexo"),
        ({"_config.yml": "title: x\n"}, "hexo"),  # its posts are in `source`
        ({}, "hexo"),
        ({"_config.yml": OCTOPRESS_CONFIG}, "jekyll"),
    ],
    ids=["package.json", "keys", "scaffolds", "source", "nothing else", "octopress"],
)
@pytest.mark.parametrize("given", ["source/_posts", "source/_posts/city", "file"])
def test_site_around_a_folder_of_posts_tells_their_dialect(tmp_path, files, dialect, given):
    posts = {
        "source/_posts/city/2026-03-14-hello.md": f"layout: post\n{HEAD}",
        "source/_posts/city/notes.md": HEAD,
    }
    root = make(tmp_path, files | posts)
    paths = [root / path for path in posts] if given == "file" else [root / given]

    assert set(dialects(*paths).values()) == {dialect}


@pytest.mark.parametrize(
    ("files", "given", "dialect"),
    [
        ({"_config.yml": JEKYLL_CONFIG}, "_posts", "jekyll"),
        ({"Gemfile": "gem 'jekyll'"}, "_drafts", "jekyll"),
        ({"hugo.toml": ""}, "content/posts", "hugo"),
        ({"_config.yml": HEXO_CONFIG}, "source", "hexo"),
    ],
)
def test_folders_of_other_generators_are_known_by_their_site(tmp_path, files, given, dialect):
    name = "_posts/hello.md" if given == "source" else "hello.md"
    root = make(tmp_path, {**files, f"{given}/{name}": HEAD})

    assert dialects(root / given) == {name: dialect}


@pytest.mark.parametrize(
    ("heads", "dialect"),
    [
        ({"hello.md": HEAD, "2026-03-14-b.md": HEAD, "notes.md": f"layout: post\n{HEAD}",
          "c.md": f"abbrlink: 1\n{HEAD}", "d.md": HEAD}, "hexo"),
        ({"2026-03-14-a.md": HEAD, "2026-03-15-b.md": f"layout: post\n{HEAD}", "c.md": HEAD}, "jekyll"),
        ({"a.md": f"draft: false\n{HEAD}", "b.md": f"lastmod: 2026-03-14\n{HEAD}", "c.md": HEAD}, "hugo"),
    ],
    ids=["hexo", "jekyll", "hugo"],
)  # fmt: skip
def test_without_a_site_most_heads_of_a_folder_decide_for_all(tmp_path, heads, dialect):
    root = make(tmp_path / "posts", heads)

    assert set(dialects(root).values()) == {dialect}


def test_folders_that_tell_a_dialect_are_not_outvoted(tmp_path):
    paths = {"_posts/2026-03-14-a.md", "_posts/2026-03-15-b.md", "source/_posts/c.md"}
    root = make(tmp_path, dict.fromkeys(paths, HEAD))

    assert dialects(root)["source/_posts/c.md"] == "hexo"


def test_dialect_decides_whether_a_space_separates_tags(tmp_path):
    root = make(tmp_path, {"package.json": PACKAGE, "source/_posts/hello.md": HEAD})
    (found,) = find_posts([root / "source/_posts"])
    assert isinstance(found, PostPath)
    post = parse_post(found, found.file.read_bytes(), "")

    assert isinstance(post, Post)
    assert post.article.tags == ("New York",)


@pytest.mark.parametrize("package", ["[" * 100_000, "[]", '{"dependencies": 7}', "\ud800", "link"])
def test_package_that_cannot_be_read_tells_nothing(tmp_path, package):
    root = make(tmp_path / "site", {"x/2026-03-14-a.md": HEAD})
    if package == "link":
        (tmp_path / "package.json").write_text(PACKAGE)
        (root / "package.json").symlink_to(tmp_path / "package.json")
    else:
        (root / "package.json").write_bytes(package.encode("utf-8", "surrogatepass"))
    (root / ".git").mkdir()  # what is above is another project

    assert dialects(root / "x") == {"2026-03-14-a.md": "jekyll"}

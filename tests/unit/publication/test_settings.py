"""The keys of ``[publish.<name>]``."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import settings
from flows.errors import ConfigurationError
from flows.publish_settings import PublishSettings


def load(folder: Path, text: str) -> settings.Settings:
    file = folder / "copydesk.toml"
    file.write_text(text, encoding="utf-8")
    return settings.load(file, {})


EXAMPLE = Path(__file__).parents[3] / "deploy" / "copydesk.example.toml"
BLOG = '[publish.blog]\nformat = "jekyll"\nfolder = "site"\n'


def test_publications_of_the_example_file_are_accepted(tmp_path):
    text = EXAMPLE.read_text(encoding="utf-8")
    lines = text[text.index("# [publish.blog]") :].split("# A schedule is cron")[0].splitlines()

    found = load(tmp_path, "\n".join(line.removeprefix("#").strip() for line in lines)).publish

    assert list(found) == ["blog", "feeds"]
    assert found["blog"].model_fields_set >= set(PublishSettings.model_fields) - {
        "base_url", "title", "window_posts", "language", "templates",
    }  # fmt: skip


def test_one_command_and_several_are_lists_of_lists_and_folders_are_absolute(tmp_path):
    one = load(tmp_path, BLOG + 'command = ["./publish.sh", "x"]').publish["blog"]
    two = load(tmp_path, BLOG + 'command = [["git", "add"], ["git", "push"]]').publish["blog"]

    assert one.command == (("./publish.sh", "x"),)
    assert two.command == (("git", "add"), ("git", "push"))
    assert one.folder == tmp_path / "site"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("window_day = 3", "unknown key, did you mean 'publish.blog.window_days'"),
        ("window_days = 0", "window_days: expected greater than or equal to 1"),
        ("window_days = 1\nwindow_posts = 1", "expected one of window_days and window_posts"),
        ('rest = "keep"', "rest: expected 'old_post' or 'remove'"),
        ('command = "git push"', "no shell runs it"),
        ("command = [[]]", "expected at least a program"),
        ('command = ["git", ["push"]]', "command"),
        ('category_pages = "../x"', "expected the name of a folder in the site"),
        ('file_name = "{title}"', "expected {day}- at the start"),
        ('file_name = "{day}-{titel}"', "expected a pattern of text and"),
        ('file_name = "{day}-{title.__class__}"', "expected a pattern of text and"),
        ('file_name = "{day}-{title!r:>999}"', "expected a pattern of text and"),
        ('file_name = "{day}-x"', "expected {id} or {title}"),
        ('file_name = "../{day}-{id}"', "expected a name inside the folder of posts"),
        ('file_name = "{day"', "expected a pattern"),
        ('front_matter = { title = "x" }', "the article gives 'title'"),
        ('front_matter = { "a b" = "x" }', "expected keys of letters"),
        ('footer = "javascript:x"', "expected an address"),
        ('base_url = "//x.example"', "begins with https://"),
        ('title = "x"', "title is for feed and site"),
        ('schedule = "never"', "publish.blog.schedule: expected cron"),
        ('language = "zh"', "language is for site"),
        ('[publish."A b"]\nformat = "hugo"\nfolder = "h"', "expected names of small letters"),
        ('[publish.b]\nformat = "hugo"\nfolder = "site"', "expected a folder for each"),
        ('[publish.b]\nformat = "hugo"\nfolder = ""', "publish.b.folder: expected the path"),
        ('[publish.b]\nformat = "hugo"\nfolder = 7', "publish.b.folder: expected the path"),
        ('[publish.b]\nformat = "hexo"\nfolder = "site/_posts"', "outside the posts of blog"),
        ('[publish.b]\nformat = "hugo"\nfolder = "data/archive/x"', "found the archive"),
        ('[publish.b]\nformat = "feed"\nfolder = "data/publish"', "found the state of"),
        ('[publish.b]\nformat = "hugo"\nfolder = "x/../site"', "publish.b.folder: expected a fol"),
        ('[publish.b]\nformat = "hugo"\nfolder = "h"\nfooter = "//x.y"', "footer is for jekyll"),
        ('[publish.b]\nformat = "hexo"\nfolder = "h"\ncategory_pages = "c"', "makes its own"),
        ('[publish.b]\nformat = "feed"\nfolder = "h"\nrest = "remove"', "rest is for jekyll"),
        ('[publish.b]\nformat = "site"\nfolder = "h"\nwindow_days = 1', "a site has all articles"),
    ],
)
def test_wrong_key_is_named(tmp_path, text, expected):
    with pytest.raises(ConfigurationError) as found:
        load(tmp_path, BLOG + text)

    assert expected in str(found.value)

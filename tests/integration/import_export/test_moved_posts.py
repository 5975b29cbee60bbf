"""Posts without an id stay the same articles when a publication moves their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import cli
from flows import settings as configuration
from flows.import_export import import_files
from flows.import_export.export_posts import export_articles
from flows.pipeline.stats import RunReport
from flows.publication.publish import publish
from flows.publication.result import PublicationResult
from flows.settings import Settings
from tests import empty_warehouse
from warehouse import connect_read_only

OLD, NEW = "2020-01-01-old.md", "2022-03-14-new.md"
TEXT = "---\ntitle: {0}\ndate: {1}\n---\nThe text of {0}.\n"


class Site:
    """A site whose posts are imported and published in its own folder."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "site"
        self.config = folder / "copydesk.toml"
        empty_warehouse.place(folder / "data" / "copydesk.duckdb")
        (self.root / "_layouts").mkdir(parents=True)
        self.configure(window_days=30)

    def configure(self, window_days: int) -> None:
        self.config.write_text(
            f'[publish.b]\nformat = "jekyll"\nfolder = "site"\nwindow_days = {window_days}\n'
        )

    def write(self, path: str, text: str = "") -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text or TEXT.format(file.stem, file.stem[:10]))

    @property
    def settings(self) -> Settings:
        return configuration.load(self.config, {})

    def import_all(self, source: str | None = None) -> RunReport:
        return import_files.import_posts(self.settings, [self.root], source=source, processes=1)

    def publish(self) -> PublicationResult:
        return publish(self.settings, "b")

    def files(self) -> list[str]:
        return sorted(one.relative_to(self.root).as_posix() for one in self.root.rglob("*.md"))

    def ids(self) -> list[str]:
        with connect_read_only(self.settings.warehouse.snapshot) as db:
            rows = db.execute("SELECT article_id FROM articles ORDER BY ALL").fetchall()
        return [article_id for (article_id,) in rows]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.write(f"_posts/{OLD}")
    made.write(f"_posts/{NEW}")
    return made


def test_moved_post_that_is_imported_again_stays_one_article_and_one_file(site):
    site.import_all()
    site.publish()
    again = site.import_all().totals()
    done = site.publish()
    third = site.import_all().totals()

    assert site.ids() == [f"posts:_posts/{OLD}", f"posts:_posts/{NEW}"]
    assert site.files() == [f"_posts/{NEW}", f"old_post/{OLD}"]
    assert (again["new"], again["updated"], third["unchanged"]) == (0, 0, 2)
    assert (done.has_work, done.exit_code, site.publish().has_work) == (False, 0, False)
    exported = export_articles(site.settings, site.root, "jekyll", check=True)
    assert (exported.exit_code, exported.exported.missing) == (0, [])


def test_correction_of_a_moved_post_is_a_revision_of_its_article(site):
    site.import_all()
    site.publish()
    site.write(f"old_post/{OLD}", TEXT.format("corrected", "2020-01-01 01:00:00"))

    done = site.import_all().totals()
    published = site.publish()

    assert (done["updated"], done["new"]) == (1, 0)
    assert len(site.ids()) == 2
    assert (published.exit_code, published.changes.written) == (0, [])
    assert "corrected" in (site.root / f"old_post/{OLD}").read_text()


def test_post_that_moves_back_and_one_below_a_category_keep_their_articles(site):
    site.write("news/_posts/2021-01-01-world.md")
    site.import_all()
    first = site.ids()
    moved = site.publish().changes.moved
    site.import_all()
    site.configure(window_days=36_000)
    site.publish()
    site.import_all()

    assert moved["news/_posts/2021-01-01-world.md"] == "news/old_post/2021-01-01-world.md"
    assert site.files() == [f"_posts/{OLD}", f"_posts/{NEW}", "news/_posts/2021-01-01-world.md"]
    assert site.ids() == first


def test_two_files_are_two_articles_and_a_deleted_one_takes_no_other(site):
    site.write(f"old_post/{OLD}")
    site.import_all()
    (site.root / f"_posts/{OLD}").unlink()
    site.write(f"old_post/{OLD}", TEXT.format("other", "2020-01-01 01:00:00"))

    done = site.import_all().totals()

    assert done["new"] == 0
    assert site.ids() == [f"posts:_posts/{OLD}", f"posts:_posts/{NEW}", f"posts:old_post/{OLD}"]


def test_other_source_reads_moved_posts_for_itself(site):
    site.import_all()
    site.publish()
    site.import_all()

    assert site.import_all(source="blog").totals()["unchanged"] == 0
    assert f"blog:old_post/{OLD}" in site.ids()


def test_erased_article_of_a_moved_post_is_not_stored_again_and_loses_its_file(site):
    site.import_all()
    site.publish()
    erased = f"posts:_posts/{OLD}"
    assert cli.run(["--config", str(site.config), "erase", erased, "--reason", "x", "--yes"]) == 0
    site.import_all()
    done = site.publish()

    assert site.ids() == [f"posts:_posts/{NEW}"]
    assert list(done.changes.removed) == [f"old_post/{OLD}"]
    assert site.files() == [f"_posts/{NEW}"]

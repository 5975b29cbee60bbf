"""Articles of media alone, from the feed to the views, files and feeds, and back."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from flows.admin.integrity import check_hashes
from flows.serve.run_local import sync_without_prefect
from tests.feed_rules import ATOM, check_atom
from tests.integration.flows.press import Press, publishing
from warehouse import connect_read_only

SOURCE = '[sources.photos]\nparser = "feed"\nurl = "{url}/photos.xml"\n'
ITEMS = (
    '<item><title>Evening</title><link>{url}/1</link><enclosure url="{url}/a.jpg{query}" type="image/jpeg" length="9"/></item>'
    '<item><title>Evening</title><link>{url}/2</link><enclosure url="{url}/b.jpg" type="image/jpeg" length="9"/></item>'
    '<item><title>Episode</title><link>{url}/3</link><enclosure url="{url}/{sound}" type="audio/mpeg" length="700"/></item>'
    "<item><title>Words</title><link>{url}/4</link><description>The ferry returns.</description>"
    '<enclosure url="{url}/{beside}" type="audio/mpeg" length="5"/></item>'
    "<item><title>Nothing</title><link>{url}/5</link></item>"
)


def publish(press: Press, *, query: str = "", sound: str = "1.mp3", beside: str = "w.mp3") -> None:
    items = ITEMS.format(url=press.url, query=query, sound=sound, beside=beside)
    feed = f"<rss><channel><title>P</title><link>{press.url}/</link>{items}</channel></rss>"
    press.answers["/photos.xml"] = (200, "text/xml", feed)


def counts(press: Press) -> tuple[int, ...]:
    (stats,) = sync_without_prefect(press.settings, ["photos"]).stats
    names = ("new", "updated", "unchanged", "duplicate", "quarantined")
    return tuple(stats.counts[name] for name in names)


@pytest.fixture
def press(tmp_path: Path):
    with publishing(tmp_path) as made:
        made.configure(SOURCE.format(url=made.url))
        publish(made)
        yield made


def test_media_alone_are_articles_from_the_feed_to_the_exports(press, run_cli, tmp_path):
    assert counts(press) == (4, 0, 0, 0, 1)
    publish(press, query="?w=600", beside="other.mp3")
    assert counts(press)[:3] == (0, 0, 4)  # a size, and media beside a text, are no revision
    publish(press, sound="2.mp3", beside="other.mp3")
    assert counts(press)[:3] == (0, 1, 3)

    config = ("--config", tmp_path / "copydesk.toml")
    by_id = "split_part(article_id, '/', 4)"
    found = press.rows(
        f"SELECT title, text, parse_filename(media[1].url), media[1].length, revision_count FROM articles ORDER BY {by_id}"
    )
    assert found == [
        ("Evening", None, "a.jpg", 9, 1),
        ("Evening", None, "b.jpg", 9, 1),
        ("Episode", None, "2.mp3", 700, 2),
        ("Words", "The ferry returns.", "other.mp3", 5, 1),
    ]
    revisions = press.rows(
        "SELECT parse_filename(media[1].url) FROM revisions WHERE title = 'Episode' ORDER BY revision"
    )
    assert revisions == [("1.mp3",), ("2.mp3",)]
    assert press.rows("SELECT count(*) FROM syndication") == [(0,)]
    with connect_read_only(press.settings.warehouse.path):
        (hashes,) = check_hashes(press.settings.warehouse.path, lambda *_: None)
    assert hashes.status == "ok"

    for name in ("jsonl", "csv", "parquet", "atom", "jekyll"):
        code, _, err = run_cli("export", tmp_path / name, "--format", name, *config)
        assert (code, err) == (0, err)
    lines = [
        json.loads(one) for one in (tmp_path / "jsonl/articles.jsonl").read_text().splitlines()
    ]
    sound = next(one for one in lines if one["title"] == "Episode")
    assert (sound["text"], sound["media"][0]["kind"], sound["media"][0]["length"]) == (
        None,
        "audio",
        700,
    )
    table = duckdb.sql(
        f"SELECT count(*) FROM '{tmp_path}/parquet/articles.parquet' WHERE text IS NULL AND media[1].url <> ''"
    )
    assert table.fetchall() == [(3,)]
    entries = check_atom((tmp_path / "atom/articles.atom").read_bytes()).findall(f"{ATOM}entry")
    kinds = [
        one.get("type")
        for entry in entries
        for one in entry.findall(f"{ATOM}link[@rel='enclosure']")
    ]
    assert sorted(kinds) == ["audio/mpeg", "audio/mpeg", "image/jpeg", "image/jpeg"]

    before = press.rows("FROM articles ORDER BY article_id")
    code, out, _ = run_cli("import", tmp_path / "jekyll", *config, "--json")
    totals = json.loads(out)["totals"]
    assert (code, totals["new"], totals["updated"], totals["unchanged"]) == (0, 0, 0, 4)
    assert press.rows("FROM articles ORDER BY article_id") == before


def test_imported_posts_of_media_alone_are_exported_as_the_bytes_that_they_were(
    press, run_cli, tmp_path
):
    head = "---\nlayout: post\ntitle: {}\ndate: 2026-03-10 08:00:00 +0800\n---\n"
    posts = {
        "2026-03-10-photo.md": "![Ferry](/img/ferry.jpg)\n",
        "2026-03-10-other.md": "![Ferry](/img/other.jpg)\n",
        "2026-03-10-film.md": '<video controls src="film.mp4"></video>\n\n',
        "2026-03-10-sound.md": "<audio controls><source src='https://x.example/1.mp3' type='audio/mpeg'></audio>\n",
    }
    folder = tmp_path / "blog" / "_posts"
    folder.mkdir(parents=True)
    for name, body in posts.items():
        (folder / name).write_text(head.format("Harbour") + body, encoding="utf-8")
    config = ("--config", tmp_path / "copydesk.toml")

    code, out, _ = run_cli("import", tmp_path / "blog", *config, "--json")
    run_cli("export", tmp_path / "out", "--format", "jekyll", *config)
    again, second, _ = run_cli("import", tmp_path / "blog", *config, "--json")

    assert (code, json.loads(out)["totals"]["new"]) == (0, 4)
    assert (again, json.loads(second)["totals"]["new"]) == (0, 0)
    written = {file.name: file.read_bytes() for file in (tmp_path / "out" / "_posts").iterdir()}
    assert written == {name: (folder / name).read_bytes() for name in posts}
    kinds = press.rows(
        "SELECT media[1].kind, count(*) FROM articles WHERE text IS NULL GROUP BY ALL ORDER BY ALL"
    )
    assert kinds == [("audio", 1), ("picture", 2), ("video", 1)]

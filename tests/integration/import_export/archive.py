"""An archive like that of finews, and the oracle about it: ``write_archive``.

Thousands of posts in ``_posts`` and ``old_post``, many of them twice, written by seven
versions of one program; an aggregator's posts in ``source/_posts``; posts by hand; files
that are none. The same seed gives the same bytes. What a warehouse must make of it is
reported by what was planned here, never by reading it back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from tests.integration.import_export import archive_forms as forms
from tests.integration.import_export.archive_forms import Story

CHECKED_OUT = datetime(2022, 9, 1, tzinfo=UTC).timestamp()
"""When git wrote the files: the same for all, as after a clone."""

_SLUGS = {
    "人人都是产品经理": "woshipm", "高科技行业门户": "ofweek", "开源中国": "kaiyuanzhongguo",
    "Dockone": "dockone", "金色财经": "jinsecaijing", "IT之家": "itzhijia",
}  # fmt: skip
_BAD = {
    "_posts/2022-01-01-unclosed.md": (b"---\ntitle: never closed\n\nwords\n", "bad_front_matter"),
    "_posts/2022-01-02-empty.md": (b"", "bad_front_matter"),
    "_posts/2022-01-03-binary.md": (b"---\ntitle: x\n---\n\0\1\2", "bad_front_matter"),
    "_posts/2022-01-04-wide.md": ("---\ntitle: x\n".encode("utf-16"), "bad_front_matter"),
    "_posts/2022-01-05-twice.md": (b"---\ntitle: a\ntitle: b\n---\nx\n", "bad_front_matter"),
    "_posts/2022-01-06-gbk.md": ("---\ntitle: 标题\n---\n正文\n".encode("gbk"), "bad_front_matter"),
    "_posts/2022-01-07-quotes.md": (b"---\ntitle: \"a \"b\"\n  c\"\n---\nx\n", "bad_front_matter"),
    "old_post/2022-01-08-bare.md": (b"words without a head\n", "bad_front_matter"),
    "old_post/2022-01-09-nothing.md": (b"---\ntitle: x\n---\n", "incomplete_article"),
}  # fmt: skip
_BY_HAND = (
    '---\nlayout: post\ntitle: "开站大吉 {0}"\ndate: 2021-12-01 13:33:50\ncategories: sitenews\n'
    "tags: 站长消息\n---\n\n祝贺开站，编号{0}\n\n- *一*\n- `二`\n"
)


@dataclass(frozen=True, slots=True)
class Version:
    """One content of an article: its title and the eight digits in its text."""

    title: str
    mark: str


@dataclass(slots=True)
class Oracle:
    """The expected warehouse after the import of an archive.

    Attributes:
        files: Each path, and the article that it is a post of, if it can be read.
        revisions: By article id its contents, in the order in which they were current.
        reasons: By path why a file is kept in quarantine.
        repaired: Those of them that another file completes.
        contents: Distinct words, whatever the article; a set of things to count.
    """

    files: dict[str, str] = field(default_factory=dict)
    revisions: dict[str, list[Version]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    repaired: set[str] = field(default_factory=set)
    contents: set[tuple[str, str]] = field(default_factory=set)

    def reported(
        self, path: str, article_id: str, version: Version, content: tuple[str, str]
    ) -> None:
        """Add a version of an article, after those of all earlier files."""
        self.files[path] = article_id
        chain = self.revisions.setdefault(article_id, [])
        if not chain or chain[-1] != version:
            chain.append(version)
        self.contents.add(content)

    def refused(self, path: str, reason: str, *, repaired: bool = False) -> None:
        """A file that is no article."""
        self.files[path] = ""
        self.reasons[path] = reason
        if repaired:
            self.repaired.add(path)


def write_archive(folder: Path, *, posts: int, seed: int = 1) -> Oracle:
    """Write an archive of about ``posts`` files (at least, and at most ten more).

    ``folder`` gets ``_posts``, ``old_post``, ``source/_posts`` and ``post``.
    """
    oracle, rng = Oracle(), Random(seed)  # noqa: S311 - chosen at random, not secret
    archive = _Archive(oracle, rng)
    made: set[Path] = set()
    for path, data in archive.files(posts):
        file = folder / path
        if file.parent not in made:
            file.parent.mkdir(parents=True, exist_ok=True)
            made.add(file.parent)
        file.write_bytes(data)
        os.utime(file, (CHECKED_OUT, CHECKED_OUT))
    return oracle


class _Archive:
    """Files by plan; the oracle learns the meaning of each first."""

    def __init__(self, oracle: Oracle, rng: Random) -> None:
        self._oracle = oracle
        self._rng = rng
        self._stories = 0
        self._ids = 2_206_703_990
        self._at = datetime(2021, 12, 8, 10, 18, 31)  # noqa: DTZ001 - local, as it is written

    def files(self, posts: int) -> Iterator[tuple[str, bytes]]:
        """Path and bytes of every file."""
        for path, (data, reason) in _BAD.items():
            self._oracle.refused(path, reason)
            yield path, data
        kinds = (
            [self._twice] * 9 + [self._once] * 7 + [self._hexo] * 3 + [self._rewritten_once] * 2
            + [self._two_ids] + [self._hexo_twice]
        )  # fmt: skip
        rare = (self._rewritten, self._incomplete, self._emptied, self._by_hand, self._hexo_loop)
        every = max(4, posts // 400)
        turn = 0
        while len(self._oracle.files) < posts:
            turn += 1
            if turn % every == 1:
                yield from rare[turn // every % len(rare)]()
            yield from self._rng.choice(kinds)()

    # --- finews ---

    def _once(self) -> Iterator[tuple[str, bytes]]:
        era = self._rng.choice("ABCDEFG")
        yield self._post(
            self._rng.choice(("_posts", "old_post")), era, self._id(era), self._story()
        )

    def _twice(self) -> Iterator[tuple[str, bytes]]:
        # The mover puts the file away, the next run writes it again.
        era, reported = self._rng.choice("CEFG"), self._story()
        article, showtime = self._id(era), self._showtime()
        for folder in ("old_post", "_posts"):
            yield self._post(folder, era, article, reported, showtime)

    def _rewritten_once(self) -> Iterator[tuple[str, bytes]]:
        # Another version of the program, sometimes with other words, under the same name.
        eras = self._rng.choice(("AB", "AC", "BC", "EF", "EG", "DG"))
        reported, article, showtime = self._story(), self._id(eras[0]), self._showtime()
        yield self._post("old_post", eras[0], article, reported, showtime)
        reported = self._story() if self._rng.random() < 0.5 else reported
        yield self._post("_posts", eras[1], article, reported, showtime)

    def _rewritten(self) -> Iterator[tuple[str, bytes]]:
        # Six to nine times across three eras; the first words come back once.
        article, first = self._id("A"), self._story()
        reported = first
        for turn in range(self._rng.randint(6, 9)):
            reported = (
                (first, reported, self._story(), first)[min(turn, 3)] if turn < 4 else self._story()
            )
            folder = ("old_post", "_posts", "old_post/2021/12")[turn % 3]
            showtime = f"{self._at + timedelta(days=turn):%Y-%m-%d %H:%M:%S}"
            yield self._post(folder, "AABBCCCCC"[turn], article, reported, showtime)

    def _two_ids(self) -> Iterator[tuple[str, bytes]]:
        # One text in the rolling news and in the media lists: <id>.md and NW<id>.md.
        reported, article = self._story(), self._id("C")
        yield self._post("_posts", "C", article, reported)
        yield self._post("old_post", "G", f"NW{article}", reported)

    def _incomplete(self) -> Iterator[tuple[str, bytes]]:
        # Upstream sent no title and no time; at times the article came whole as well.
        reported, article = self._story(), self._id("C")
        empty = Story(title="", mark=reported.mark, brief=reported.brief, digest=reported.digest,
                      html=reported.html, medium=reported.medium)  # fmt: skip
        is_repaired = self._rng.random() < 0.7
        folders = self._rng.sample(("_posts", "old_post"), 2)
        path = f"{folders[0]}/-{article}.md"
        self._oracle.refused(path, "incomplete_article", repaired=is_repaired)
        yield path, forms.finews("C", empty, article, "")
        if is_repaired:
            yield self._post(folders[1], "C", article, reported)

    def _emptied(self) -> Iterator[tuple[str, bytes]]:
        reported, article = self._story(), self._id("G")
        nothing = Story(title=reported.title, mark=reported.mark, brief=reported.brief, digest="", html="",
                        medium=reported.medium)  # fmt: skip
        path = f"_posts/{self._showtime()[:10]}-{article}.md"
        self._oracle.refused(path, "incomplete_article")
        yield path, forms.finews("G", nothing, article, "2022-05-01 08:00:00")

    def _post(
        self, folder: str, era: str, article: str, reported: Story, showtime: str = ""
    ) -> tuple[str, bytes]:
        showtime = showtime or self._showtime()
        path = f"{folder}/{showtime[:10]}-{article}.md"
        mark = reported.brief if era in "ABD" else reported.mark
        # The text of D repeats the title, so it differs from those of A and B.
        content = (reported.title, f"{mark} and title" if era == "D" else mark)
        self._oracle.reported(path, f"finews:{article}", Version(reported.title, mark), content)
        return path, forms.finews(era, reported, article, showtime)

    # --- others ---

    def _hexo(self, copies: int = 1) -> Iterator[tuple[str, bytes]]:
        reported, site = self._story(), self._rng.choice(forms.SITES)
        date = self._rng.choice(forms.DATES)
        title = " ".join(forms.hexo_title(reported.title).split())
        name = title.translate({ord(mark): None for mark in "#.\n"})
        route = "Naver" if site[2].startswith("[") else site[2]
        for root in ("post", "source/_posts")[-copies:]:
            path = f"{root}/{site[0]}/{site[1]}/{route}/{name}.md"
            article = f"{_SLUGS[site[1]]}:post/{site[0]}/{site[1]}/{route}/{title}"
            self._oracle.reported(
                path, article, Version(title, reported.mark), (title, reported.mark)
            )
            yield path, forms.hexo(self._rng, reported, site, date, old=root == "post")

    def _hexo_twice(self) -> Iterator[tuple[str, bytes]]:
        # Of the oldest form, and again with another random picture.
        return self._hexo(2)

    def _hexo_loop(self) -> Iterator[tuple[str, bytes]]:
        # A title quoted again and again, in the head and in the file's name.
        self._stories += 1
        mark = f"{self._stories:08d}"
        title = forms.chinese_text(self._rng, 6)
        quotes = '"' * 7
        path = f"post/新媒体/人人都是产品经理/最新文章/{quotes} '{title}' {quotes}.md"
        article = f"woshipm:post/新媒体/人人都是产品经理/最新文章/{title}"
        self._oracle.reported(path, article, Version(title, mark), (title, mark))
        data = (
            f"\n---\ntitle: {quotes} '{title}' {quotes}\ncategories: \n    - 新媒体\n"
            "    - 人人都是产品经理\n    - 最新文章\n\nauthor: 人人都是产品经理\ncomments: false\n"
            "date: Wed, 23 Mar 2022 00:00:00 GMT\nthumbnail: ''\n---\n\n<div>   \n"
            f"<p>编号{mark}。</p>  \n</div>\n            "
        )
        yield path, data.encode()

    def _by_hand(self) -> Iterator[tuple[str, bytes]]:
        self._stories += 1
        mark = f"{self._stories:08d}"
        path = f"_posts/2021-12-01-init-{mark}.md"
        title = f"开站大吉 {mark}"
        self._oracle.reported(path, f"posts:{path}", Version(title, mark), (title, mark))
        yield path, _BY_HAND.format(mark).encode()

    # --- shared helpers ---

    def _story(self) -> Story:
        self._stories += 1
        return forms.story(self._rng, self._stories)

    def _id(self, era: str) -> str:
        self._ids += self._rng.randint(1, 400)
        digits = f"{self._at:%Y%m%d}{self._ids:010d}"
        return digits if era in "ABC" else f"NW{digits}"

    def _showtime(self) -> str:
        self._at += timedelta(seconds=self._rng.randint(1, 700))
        return f"{self._at:%Y-%m-%d %H:%M:%S}"

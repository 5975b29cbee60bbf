"""Plan the posts of an export: which file each article has, and whose bytes it gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from flows.import_export.export_journal import JOURNAL
from flows.import_export.find_posts import PostPath, parse_post, read_bytes
from flows.import_export.write_files import PlannedFile, file_exists, posts_in
from parsers.frontmatter import Dialect, Post, post_path
from warehouse.records.posts import ArticleInfo, StoredFile


@dataclass(slots=True, kw_only=True)
class PostPlan:
    """The files of an export.

    Attributes:
        files: All of them; the key of an article's main file is its id.
        imported: The keys of files with the imported bytes, by place in the warehouse.
        corrected: The ids of imported articles that are written anew, by place in the warehouse.
        dialects: The dialect of each article that is written anew, by id.
    """

    files: list[PlannedFile] = field(default_factory=list)
    imported: dict[int, str] = field(default_factory=dict)
    corrected: dict[int, str] = field(default_factory=dict)
    dialects: dict[str, Dialect] = field(default_factory=dict)


def plan_posts(
    infos: Sequence[ArticleInfo],
    files: Sequence[StoredFile],
    directory: Path,
    dialect: Dialect,
    *,
    inside: str = "",
) -> PostPlan:
    """Plan the posts of a dialect.

    1. An imported article is written to the file that it came from, with its copies and
       earlier versions. A fresh folder gets those that were imported in this dialect; the
       folder of the import gets the files that exist there. The main file has the imported
       bytes as long as the article has the imported content, else a post in the current form,
       with the keys that its owner added to the head.
    2. Any other article is written to the file that ``post_path`` names.

    Args:
        infos: The exported articles.
        files: Their imported files.
        directory: The folder of the export.
        dialect: The dialect of new posts.
        inside: Only files below this part of the folder.
    """
    plan = PostPlan()
    known = set()
    for key, one in _imported_files(files, directory, dialect).items():
        known.add(one.article_id)
        if not one.path.startswith(inside):
            continue
        is_corrected = key == one.article_id and not one.has_content
        plan.files.append(
            PlannedFile(key=key, path=one.path, digest=one.digest, is_corrected=is_corrected)
        )
        if is_corrected:
            plan.corrected[one.seq] = key
            plan.dialects[key] = cast("Dialect", one.dialect)
        else:
            plan.imported[one.seq] = key
    for new in infos:
        if new.article_id not in known and not inside:
            path = post_path(new, dialect)
            plan.files.append(PlannedFile(key=new.article_id, path=path))
            plan.dialects[new.article_id] = dialect
    return plan


def _imported_files(
    files: Sequence[StoredFile], directory: Path, dialect: Dialect
) -> dict[str, StoredFile]:
    """The files of imported articles; the main file of an article by its id."""
    existing = {one.seq for one in files if file_exists(directory, one.path)}
    is_restored = not existing or (directory / JOURNAL).exists()
    fit = [one for one in files if one.dialect == dialect or one.seq in existing]
    fit.sort(key=lambda one: (one.has_record, one.has_content, one.seq in existing, one.seq))
    main = {one.article_id: one for one in fit}
    found: dict[str, StoredFile] = {}
    for one in fit:
        if main[one.article_id] is one:
            found[one.article_id] = one
        elif is_restored or one.seq in existing:
            found[f"{one.article_id}\n{one.path}"] = one
    return found


def with_other_paths(
    plan: Iterable[PlannedFile], directory: Path, paths: Mapping[str, str]
) -> list[PlannedFile]:
    """Move articles whose own file does not exist to existing files.

    Args:
        plan: The files of an export.
        directory: The folder of the export.
        paths: By article id the path of a file of others.
    """
    return [
        replace(one, path=path, article_id=one.key)
        if (path := paths.get(one.key))
        and not file_exists(directory, one.path)
        and file_exists(directory, path)
        else one
        for one in plan
    ]


def posts_of_others(plan: Sequence[PlannedFile], directory: Path) -> dict[str, str]:
    """Return by article id the paths of posts that the plan does not have.

    The article is the one that an import of the post would give.
    """
    found: dict[str, str] = {}
    # The post that the site shows, in ``_posts``, comes last and is taken.
    others = posts_in(directory) - {one.path for one in plan}
    for path in sorted(others, key=lambda path: ("_posts" in path.split("/"), path)):
        file = directory / path
        if file.is_symlink():
            continue
        post = PostPath(file=file, relative=path)
        data = read_bytes(post)
        parsed = parse_post(post, data, "") if isinstance(data, bytes) else data
        if isinstance(parsed, Post):
            found[parsed.article.article_id] = path
    return found

"""The languages of a page: its own words, days and times.

Texts of articles keep the language that is stored with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, tzinfo

from flows.web import format as formats

_CHINESE = {
    "%s articles": "%s 篇文章",
    "1 article": "1 篇文章",
    "All articles": "全部文章",
    "All articles by month of publication": "各月发布的文章",
    "All articles by year of publication": "各年发布的文章",
    "Articles by day of publication": "每日发布的文章",
    "Audio": "音频",
    "Categories": "分类",
    "Category": "分类",
    "Day": "日期",
    "Days": "日期",
    "Figures": "数据",
    "Home": "首页",
    "Loading": "正在载入",
    "Month": "月份",
    "More": "更多",
    "Newer articles": "较新的文章",
    "Newest": "最新",
    "No article holds all of these words.": "没有文章包含全部这些词。",
    "No articles yet.": "还没有文章。",
    "No such page": "没有这个页面",
    "Older articles": "较早的文章",
    "Pages": "页面",
    "Search": "搜索",
    "Search needs JavaScript. Without it, these pages list every article:": "搜索需要 JavaScript。没有它时，以下页面列出全部文章：",
    "Search titles, names, categories and tags.": "搜索标题、作者、来源、分类和标签。",
    "Skip to content": "跳到正文",
    "Source": "来源",
    "Sources": "来源",
    "Tag": "标签",
    "Tags": "标签",
    "The address may be wrong, or the article was removed.": "地址可能有误，或者文章已被删除。",
    "The highest value is %s: %s.": "最高值为 %s：%s。",
    "The search index could not be loaded.": "无法载入搜索索引。",
    "Video": "视频",
    "Year": "年份",
    "and %s more, linked from their articles": "另有 %s 个，见各篇文章",
    "corrected": "有更正",
    "day unknown": "日期不详",
    "no longer at its source": "原文已撤下",
    "no title": "无标题",
    "only a part of the text": "仅部分正文",
    "only a summary": "仅摘要",
    "original": "原文",
    "other sources": "其他来源",
    "updated": "更新",
}


@dataclass(frozen=True, slots=True)
class Language:
    """The words, days and times of a page's own text.

    Attributes:
        code: For ``lang``.
        words: The translation of each English text; empty for English.
    """

    code: str
    words: Mapping[str, str] = field(default_factory=dict, repr=False)

    def text(self, english: str) -> str:
        """The text in this language; the English text if it has no translation."""
        return self.words.get(english, english)

    def day(self, value: date | None) -> str:
        """A day: ``14 Mar 2022``, ``2022年3月14日``."""
        if value is None or not self.words:
            return formats.day(value)
        return f"{value.year}年{value.month}月{value.day}日"

    def moment(self, value: datetime | None, zone: tzinfo) -> str:
        """A time in a zone, to the minute."""
        if value is None or not self.words:
            return formats.moment(value, zone)
        local = value.astimezone(zone)
        return f"{self.day(local)} {local:%H:%M}"

    def month(self, value: date) -> str:
        """A month: ``Mar 2022``, ``2022年3月``."""
        return f"{value.year}年{value.month}月" if self.words else f"{value:%b} {value.year}"

    def tick(self, value: date, *, has_year: bool) -> str:
        """A day below a chart: ``14 Mar``, ``3月14日``."""
        if self.words:
            return self.day(value) if has_year else f"{value.month}月{value.day}日"
        return f"{value.day} {value:%b}{f' {value.year}' if has_year else ''}"


ENGLISH = Language("en")
CHINESE = Language("zh", _CHINESE)
LANGUAGES = {one.code: one for one in (ENGLISH, CHINESE)}
"""By the code that an option has."""

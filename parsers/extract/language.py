"""The language of an article: as configured, as declared, or as its script proves."""

from __future__ import annotations

import re

from lxml import etree

from parsers.extract.blocks import Layout
from parsers.extract.structured import Structured
from parsers.model import Extracted

_TAG = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*$", re.I)
_HAN = re.compile(r"[\u3400-\u9fff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")


def language_of(
    configured: str, root: etree._Element, declared: Structured, page: Layout
) -> Extracted[str]:
    """A language tag (``zh``, ``zh-CN``, ``en``), or why there is none.

    A page in Han, kana or hangul that declares a European language inherited a template:
    the script is right. Latin or Cyrillic letters alone prove no language.
    """
    if configured:
        return Extracted(configured, "source declaration")
    script = _script(page)
    html = root if root.tag == "html" else root.find(".//html")
    declarations = (
        ((html.get("lang") or html.get("xml:lang") or "") if html is not None else "", "html:lang"),
        declared.text("inLanguage"),
        declared.meta(
            "og:locale", "content-language", "language", "dc.language", "dcterms.language"
        ),
    )
    for value, how in declarations:
        tag = value.strip().replace("_", "-")
        if _TAG.match(tag) and (not script or tag.lower().split("-")[0] in (script, "yue", "lzh")):
            return Extracted(tag, how)
    if script:
        return Extracted(script, "the script of the text")
    return Extracted(None, "absent: the page declares none and its script proves none")


def _script(page: Layout) -> str:
    sample = "".join(block.text for block in page.blocks if block.weight > 0)[:5000]
    han, kana, hangul = (len(form.findall(sample)) for form in (_HAN, _KANA, _HANGUL))
    if hangul * 3 > len(sample):
        return "ko"
    if kana * 10 > len(sample):
        return "ja"
    return "zh" if han * 3 > len(sample) else ""

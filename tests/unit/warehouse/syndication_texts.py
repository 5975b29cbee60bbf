"""Texts for the tests of pairs: sentences of random words, the same for the same seed."""

from __future__ import annotations

import random

_HAN = [chr(code) for code in range(0x4E00, 0x5200)]
NOTICE = "".join(random.Random(0).choices(_HAN, k=190))  # noqa: S311


def sentences(seed: int, count: int = 20) -> list[str]:
    """Different sentences of 24 characters; each third one has a number."""
    rng = random.Random(seed)  # noqa: S311
    return [
        "".join(rng.choices(_HAN, k=24)) + (f"{rng.randint(100, 99_999)}万元" if i % 3 == 0 else "")
        for i in range(count)
    ]


def story(seed: int, count: int = 20) -> str:
    """A text of these sentences."""
    return "。".join(sentences(seed, count))


def pledge_notice(seed: int) -> str:
    """A notice of a daily template: two of them share more than half of their characters."""
    rng = random.Random(seed)  # noqa: S311
    company = "".join(rng.choices(_HAN, k=6))

    def number() -> str:
        return f"{rng.uniform(1, 9000):.2f}"

    return (
        f"{company}股份有限公司（证券代码：60{rng.randint(1000, 9999)}）晚间公告，公司近日接到控股股东的通知，获悉其所持有公司的部分"
        f"股份办理了质押业务。本次质押股份数量为{number()}万股，占其所持股份比例的{number()}%，占公司总股本的{number()}%。截至公告披露日，"
        f"控股股东累计质押股份数量为{number()}万股，占其所持股份比例的{number()}%。公司控股股东资信状况良好，具备相应的偿还能力，质押"
        "风险可控，不会导致公司实际控制权发生变更，不会对公司生产经营、公司治理等方面产生重大影响。"
    )

"""Category slugs are those of the published category pages."""

from __future__ import annotations

import pytest

from parsers.text.pinyin import category_slug


@pytest.mark.parametrize(
    ("medium", "slug"),
    [
        ("财联社", "cailianshe"),
        ("中国日报网", "zhongguoribaowang"),
        ("光明网", "guangmingwang"),
        ("重庆日报", "zhongqingribao"),
        ("证券时报·e公司", "zhengquanshibao·egongsi"),
        ("21世纪经济报道 21财经APP", "21shijijingjibaodao 21caijingAPP"),
        ("安信国际证券(香港)", "anxinguojizhengquan(xianggang)"),
        ("TechWeb", "TechWeb"),
        ("", ""),
    ],
)
def test_medium_has_the_slug_of_the_published_site(medium: str, slug: str) -> None:
    assert category_slug(medium) == slug

"""Articles of media alone in health and in the comparison of parsers."""

from __future__ import annotations

from dataclasses import replace

from flows.pipeline.field_changes import judge
from flows.pipeline.health.collect import page_result
from flows.pipeline.repeated_pages import content_digest
from tests.unit.warehouse.factories import article
from warehouse.rows import MediaRow

PICTURE = MediaRow(kind="picture", url="https://quay.example/a.jpg")
ROW = article(1, text=None, body_html="", media=(PICTURE,))
OTHER = replace(ROW, media=(replace(PICTURE, url="https://quay.example/b.jpg"),))


def test_missing_text_is_short_and_not_full_in_health():
    found = page_result(ROW, is_new=True)

    assert (found.length, "full_text" in found.missing) == (0, True)
    assert "full_text" not in page_result(article(1, "降准"), is_new=True).missing
    assert found.text != page_result(OTHER, is_new=True).text


def test_different_pictures_are_no_repeated_page():
    assert content_digest(ROW) == content_digest(replace(ROW, title="other"))
    assert content_digest(ROW) != content_digest(OTHER)


def test_missing_text_is_a_regression_and_media_are_compared():
    assert judge("text", "降准", None)[0] == "regression"
    assert judge("media", (PICTURE,), ())[0] == "regression"
    assert judge("media", (), (PICTURE,))[0] == "improvement"

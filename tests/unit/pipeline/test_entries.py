"""What makes an entry of a listing another one."""

from __future__ import annotations

import json
from dataclasses import replace

from flows.pipeline.entry_names import entry_digest
from flows.pipeline.rows import entry_from_json, entry_json, is_same_entry
from parsers import registry
from parsers.model import Entry, Media

SOURCE = registry.make_source("photos", "feed", {"url": "https://quay.example/feed"})
ENTRY = Entry(source_article_id="1", channel="feed", url="https://quay.example/1")
SOUND = Media(kind="audio", url="https://cdn.example/1.mp3?expires=1", length=5, duration=1.5)
ATTACHED = replace(ENTRY, media=(SOUND,))


def test_entry_with_media_is_read_back_from_its_json():
    assert entry_from_json(entry_json(ATTACHED)) == ATTACHED


def test_json_of_an_entry_without_media_is_that_of_an_earlier_copydesk():
    assert "media" not in json.loads(entry_json(ENTRY))
    assert is_same_entry(entry_json(ENTRY), ENTRY)


def test_signature_of_an_address_makes_no_other_entry_and_another_file_does():
    signed = replace(ENTRY, media=(replace(SOUND, url=SOUND.url.replace("=1", "=2")),))
    other = replace(ENTRY, media=(replace(SOUND, url="https://cdn.example/2.mp3"),))

    assert entry_digest(SOURCE, signed) == entry_digest(SOURCE, ATTACHED)
    assert is_same_entry(entry_json(signed), ATTACHED)
    assert len({entry_digest(SOURCE, one) for one in (ENTRY, ATTACHED, other)}) == 3

"""Edits of selectors in ``copydesk.toml``: only the given values change."""

from __future__ import annotations

import pytest

from flows.admin.edit_select import edited
from flows.errors import ConfigurationError

NEW = {"select": {"title": 'a[rel~="x"]', "body": ".post"}}
FORMS = {
    "an inline table": (
        "[sources.a]\nselect = { title = 'h1', body = \"p[title = 'x }']\" } # own\nurl = 'u'\n",
        '[sources.a]\nselect = { title = "a[rel~=\\"x\\"]", body = ".post" } # own\nurl = \'u\'\n',
    ),
    "a table": (
        "[sources.a]\nurl = 'u'\n\n[sources.a.select]  # own\ntitle = 'h1' # t\nbody = '.b'\n[x]\n",
        "[sources.a]\nurl = 'u'\n\n[sources.a.select]  # own\n"
        'title = "a[rel~=\\"x\\"]" # t\nbody = ".post"\n[x]\n',
    ),
    "dotted keys": (
        "[sources.a]\nselect.title = 'h1'\nurl = 'u'\n[sources.b]\nselect.title = 'h2'\n",
        '[sources.a]\nselect.body = ".post"\nselect.title = "a[rel~=\\"x\\"]"\nurl = \'u\'\n'
        "[sources.b]\nselect.title = 'h2'\n",
    ),
    "no selectors": (
        "# top\n[sources.a]\nurl = 'u'\n",
        '# top\n[sources.a]\nselect = { title = "a[rel~=\\"x\\"]", body = ".post" }\nurl = \'u\'\n',
    ),
    "an inline table without one field": (
        "[sources.a]\nselect = { title = 'h1' }\n",
        '[sources.a]\nselect = { title = "a[rel~=\\"x\\"]", body = ".post" }\n',
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_selectors_change_and_all_other_text_stays(form):
    before, after = FORMS[form]

    assert edited(before, "a", NEW) == after


def test_keys_of_the_section_change_with_the_selectors():
    before = "[sources.a]\nlinks = 'h2 a'  # own\nselect = { body = '.b' }\n"

    after = edited(before, "a", {"": {"links": ".c a"}, "select": {"body": ".d"}})

    assert after == '[sources.a]\nlinks = ".c a"  # own\nselect = { body = ".d" }\n'


def test_form_that_cannot_be_edited_is_refused_with_the_keys_to_write():
    with pytest.raises(ConfigurationError) as caught:
        edited("sources.a.url = 'u'\n", "a", NEW)

    assert 'select.body = ".post"' in str(caught.value)

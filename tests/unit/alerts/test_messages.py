"""The text of alerts."""

from __future__ import annotations

from flows.alerts.messages import MAX_LINES, Content, compose
from flows.alerts.problems import Line
from flows.alerts.queries import QueryRow
from flows.alerts.send import Address, addresses_of
from warehouse.records.deliveries import Item


def line(source: str, text: str) -> Line:
    return Line(item=Item(kind="opened", item_id=text, subject=source), text=text)


def row(text: str) -> QueryRow:
    return QueryRow(item=Item(kind="query_row", item_id=text, subject="rail"), text=text)


def test_message_has_its_parts_in_the_order_of_their_urgency():
    message = compose(
        Content(
            problems=[line("a", "a: broken"), line("a", "a: silent")],
            ended=[line("b", "b: normal")],
            rows={"rail": [row("one")]},
            digest=[line("", ""), line("c", "c: gap")],
        )
    )

    assert message.title == "copydesk: a has a problem, b is normal again, 1 new row of rail"
    assert message.body == (
        "Problems:\n- a: broken\n- a: silent\n\nNormal again:\n- b: normal\n\n"
        "New rows of rail:\n- one\n\nSince the last digest:\n- c: gap"
    )
    assert message.urgency == "warning"


def test_long_part_names_how_many_lines_it_leaves_out():
    message = compose(Content(problems=[line(f"s{n}", f"s{n}") for n in range(MAX_LINES + 5)]))

    lines = message.body.splitlines()
    assert len(lines) == MAX_LINES + 2
    assert lines[-1] == "- and 5 more: copydesk health"
    assert message.title == "copydesk: 25 sources have problems"


def test_title_counts_sources_and_publications():
    blog, site = line("publication blog", "fails"), line("publication site", "fails")
    several = [
        compose(Content(problems=lines)).title
        for lines in ([blog, site], [blog, line("a", "a: broken")], [blog])
    ]

    assert several == [
        "copydesk: 2 publications have problems",
        "copydesk: 2 sources and publications have problems",
        "copydesk: publication blog has a problem",
    ]


def test_digest_alone_has_its_own_title():
    message = compose(Content(digest=[line("", ""), line("c", "c: gap")]))

    assert (message.title, message.urgency) == ("copydesk: daily digest", "info")


def test_foreign_text_calls_no_members_of_a_chat():
    message = compose(Content(rows={"rail": [row("@everyone <!channel> @desk a@here.example")]}))

    assert "@\u200beveryone <\u200b!channel> @desk a@here.example" in message.body


def test_label_of_an_address_has_neither_host_nor_token():
    named = addresses_of(["slack://A1/B2/C3", "env:DESK_HOOK", "slack://A1/B2/C3"])

    assert [one.label for one in named] == ["address 1 (slack)", "address 2 (env:DESK_HOOK)"]
    assert "B2" not in repr(named)


def test_address_of_the_environment_is_the_value_of_its_variable():
    address = Address(number=1, text="env:DESK_HOOK")

    assert address.url({"DESK_HOOK": " json://desk.example/hook\n"}) == "json://desk.example/hook"
    assert address.url({}) == ""

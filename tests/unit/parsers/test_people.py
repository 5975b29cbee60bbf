"""Author lines: names without addresses, labels and repeats; careful splits."""

from __future__ import annotations

import pytest

from parsers.text.people import author_names


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("Mara Quill", ["Mara Quill"]),
        ("mara@quay.example (Mara Quill)", ["Mara Quill"]),
        ("Mara Quill (mara@quay.example)", ["Mara Quill"]),
        ('"Mara Quill" <mara@quay.example>', ["Mara Quill"]),
        ("mailto:mara@quay.example (Mara Quill)", ["Mara Quill"]),
        ("Mara Quill, mara@quay.example", ["Mara Quill"]),
        ("a@quay.example (Mara Quill), b@quay.example (Odo Brandt)", ["Mara Quill", "Odo Brandt"]),
        ("mara@quay.example", []),
        ("noreply@quay.example (Unknown)", []),
        ("mara@quay.example (??? ????)", []),
        ("https://quay.example/mara", []),
        ("By Mara Quill", ["Mara Quill"]),
        ("Words by: Mara Quill", ["Mara Quill"]),
        ("作者：甲乙", ["甲乙"]),
        ("记者 甲乙丙", ["甲乙丙"]),
        ("Von Mara Quill", ["Mara Quill"]),
        ("Par Mara Quill et Odo Brandt", ["Mara Quill", "Odo Brandt"]),
        ("Von Quill", ["Von Quill"]),
        ("Von der Quill", ["Von der Quill"]),
        ("Byron Quill", ["Byron Quill"]),
        ("Mara Quill and Odo Brandt", ["Mara Quill", "Odo Brandt"]),
        ("Mara Quill, Odo van Brandt and Ib Sol", ["Mara Quill", "Odo van Brandt", "Ib Sol"]),
        ("Mara Quill, Odo Brandt, and Ib Sol", ["Mara Quill", "Odo Brandt", "Ib Sol"]),
        ("Mara Quill; Odo Brandt", ["Mara Quill", "Odo Brandt"]),
        ("甲乙丙、丁戊", ["甲乙丙", "丁戊"]),
        ("Quill, Mara", ["Quill, Mara"]),
        ("Quill and Sons", ["Quill and Sons"]),
        ("Mara Quill, New York", ["Mara Quill, New York"]),
        ("Mara Quill, Odo Brandt, Ib Sol", ["Mara Quill", "Odo Brandt", "Ib Sol"]),
        ("Mara Quill, Staff Writer", ["Mara Quill, Staff Writer"]),
        ("Mara Quill, Ph.D", ["Mara Quill, Ph.D"]),
        ("Harbour Police and Fire Department", ["Harbour Police and Fire Department"]),
        ("Mara and Odo Brandt", ["Mara and Odo Brandt"]),
        ("@maraquill", ["@maraquill"]),
        ("", []),
    ],
)
def test_author_line_gives_names(line, names):
    assert list(author_names([line])) == names


def test_same_name_in_several_lines_is_one_author():
    assert author_names(["m@quay.example (Mara Quill)", "MARA  QUILL", "Odo Brandt"]) == (
        "Mara Quill",
        "Odo Brandt",
    )

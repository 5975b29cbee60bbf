"""The DuckDB instance to which a warehouse is attached."""

from __future__ import annotations

from pathlib import Path

import pytest

from warehouse import instance


def test_file_can_be_attached_again_after_an_interrupt_while_it_was_attached(
    new_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach = instance._attach

    def attach_and_interrupt(one: instance._Instance, path: Path) -> None:
        attach(one, path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(instance, "_attach", attach_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            instance.attach(new_path)

    db = instance.attach(new_path)
    assert db.execute("SELECT 1").fetchall() == [(1,)]
    instance.detach(db, new_path)

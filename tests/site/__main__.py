"""Serve the test site: ``python -m tests.site --port 8765 --edition 2``."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests import site


def main() -> None:
    """Serve until Ctrl-C."""
    arguments = argparse.ArgumentParser(prog="python -m tests.site", description=__doc__)
    arguments.add_argument("--port", type=int, default=0, help="0 picks a free one")
    arguments.add_argument("--edition", type=int, default=1, help="1 to 3")
    arguments.add_argument("--port-file", type=Path, help="receives the port as text")
    chosen = arguments.parse_args()
    try:
        site.run(
            chosen.port,
            chosen.edition,
            port_file=chosen.port_file,
            ready=lambda news_site: print(
                f"test site: {news_site.url}, edition {news_site.edition}", flush=True
            ),
        )
    except KeyboardInterrupt:
        print("test site: stopped")


if __name__ == "__main__":
    main()

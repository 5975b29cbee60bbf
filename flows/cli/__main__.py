"""So that ``python -m flows.cli`` is the command ``copydesk``."""

from flows.cli import main

main()

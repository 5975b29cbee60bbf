"""One module per source: a docstring with its quirks, and ``PARSER``."""

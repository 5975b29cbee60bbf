"""One module for each source or kind of source, with its ``PARSER``."""

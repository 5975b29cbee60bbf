"""Recorded cases of parsers, and drafts of new sources."""

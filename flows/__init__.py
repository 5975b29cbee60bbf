"""Composes parsers and warehouse into runs; the only home of Prefect and HTTP."""

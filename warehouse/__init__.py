"""DuckDB: what was read, kept; no parsing and no HTTP."""

"""A warehouse on DuckLake, with its catalog in PostgreSQL or in a DuckDB file."""

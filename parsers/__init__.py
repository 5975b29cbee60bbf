"""Parse pages into articles: pure functions without network, clock, disk or database."""

"""Pages in, articles out: pure functions without network, clock, disk or database."""

"""Secrets of addresses: read from the configuration, masked, revealed on the wire, redacted."""

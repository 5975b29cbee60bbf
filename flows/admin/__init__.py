"""Administration: checks, erasure, quarantine, maintenance."""

"""Care of the warehouse file: snapshots, compaction, integrity, erasure."""

"""Posts on disk: into the warehouse and out of it."""

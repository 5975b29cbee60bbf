"""The pipeline: discover, fetch, parse, load. It runs without Prefect."""

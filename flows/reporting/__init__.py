"""What a run shows in the Prefect UI: artifacts, events, states, parameter forms."""

"""`copydesk serve` and the launch of local runs, on Prefect's public API.

    supervisor       the process of `copydesk serve`: keeps its two children running
    ├── server       Prefect's, with a check of the origin; server_app.py, prefect_server.py
    └── worker       `prefect worker start`, type process; one child process per flow run
    plan             the deployments of a configuration; pool.py registers them for other machines
    deployments      the flows, their schedules and limits in one work pool
    lost_runs        the drain at the end, and runs whose process is gone
    run_local        a flow in the process of a command

The supervisor imports neither Prefect nor DuckDB while it waits: what needs them runs in a
short-lived process, or when everything ends.
"""

"""Orders of a run on the workers of Dask or Ray, through Prefect's task runners.

``task_runner.py`` starts or finds the workers, ``chunks.py`` sends orders, ``worker.py`` runs
there. ``flows/pipeline/cluster.py`` has what the steps of a run see of it.
"""

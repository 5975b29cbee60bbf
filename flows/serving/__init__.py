"""What ``copydesk serve`` is made of.

    place.py         the folder beside the warehouse: lock, address, Prefect's surroundings
    server.py        the Prefect server as a child process that cannot outlive us
    health.py        whether a server that is there does its work
    installation.py  whose is what at a server that others use, too
    neighbours.py    one serve at a server: who has the place there
    deployments.py   the flows as Prefect deployments, each on its schedule
    registry.py      what the server knows of this installation, kept true
    tidying.py       runs that a dead process left behind
    ending.py        how a run that did not succeed is told in its log
    events.py        what a run found, as events that automations react to
    telling.py       what is told at the start
    output.py        whatever is told, a full disk or a closed terminal stops nothing
    due.py           which runs to begin; late runs into one
    turns.py         who comes next, so that no long request holds up a schedule
    putting_back.py  runs that had not begun at the end, back to their time
    polling.py       Prefect's runner, in a thread: starts a process for each run

``flows/serving/supervisor.py`` holds them together.
"""

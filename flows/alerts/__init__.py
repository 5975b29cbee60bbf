"""Alerts: what a run sends to the addresses of ``[alerts]``.

problems.py   sources that broke or went silent, publications that fail, and ends; each once
digest.py     the rest, at most once a day
queries.py    new rows of saved queries
messages.py   one message for all of them
send.py       the message through Apprise
deliver.py    a run: collect, send, remember what was accepted
"""

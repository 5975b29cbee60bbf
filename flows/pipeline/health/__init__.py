"""Health of a source: statistics of its runs, and the rules that find deviations in them.

    values.py      what one run found, and the history that it extends
    statistics.py  a run added to the history
    silence.py     how long a source may have no new article
    comparison.py  the channels of a run, each with its past
    listing_rules.py, page_rules.py, rules.py
                   the deviations of a run, and what makes them normal again
    evaluate.py    findings, state, volume and coverage after a run
    collect.py     the pages of a run, counted while they are parsed
    record.py      a run evaluated and stored, in its last transaction
    messages.py    what a run found, for people

Only the last three know the pipeline. The others use no clock and no database.
"""

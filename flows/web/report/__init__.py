"""The report: one self-contained page about a whole warehouse.

``queries`` reads the views, ``figures`` makes charts of the rows, ``page`` renders both.
"""

from flows.web.report.page import Report, make_report

__all__ = ["Report", "make_report"]

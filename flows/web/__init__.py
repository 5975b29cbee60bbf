"""Pages for a browser: one set of templates, styles and charts.

``environment`` renders a template, ``charts`` draws, ``format`` writes numbers and times. No page
needs JavaScript, and none makes a request to another host.
"""

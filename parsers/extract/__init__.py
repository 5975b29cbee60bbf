"""What any article page says about itself: structured data, headline, byline, date, body.

Every module works on one lxml tree of the page and is a pure function of it.
"""

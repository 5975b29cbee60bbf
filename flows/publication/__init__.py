"""``[publish.<name>]``: the articles of a publication as files in a folder, and its command.

``publish`` has the order of the work, ``publish_all`` what follows a sync.
"""

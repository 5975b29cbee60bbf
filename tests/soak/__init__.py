"""The soak: ``copydesk serve`` for a while against a newsstand that misbehaves, with kills.

``checking`` holds the corpus against the newsstand's truth and is tested itself
(``tests/integration/soak/test_soak.py``); ``desk`` starts, stops and kills; ``mischief`` says how;
``__main__`` runs it all.
"""

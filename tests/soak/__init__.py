"""The soak: ``copydesk serve`` for a while against a test site that misbehaves, with kills.

``checking`` compares the warehouse with the test site's oracle and is tested itself
(``tests/integration/soak/test_soak.py``); ``project`` starts, stops and kills; ``faults`` decides how;
``__main__`` runs it all.
"""

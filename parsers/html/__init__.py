"""HTML: trees, selectors, blocks, clean bodies, boilerplate."""

-- Explains each column of the view of 0017. DuckLake skips this file.

COMMENT ON COLUMN search_index.content_count IS 'Number of stored contents: different texts';
COMMENT ON COLUMN search_index.indexed_count IS 'Number of contents in the search index; fewer than stored after an upgrade, until the next runs or compact index them';

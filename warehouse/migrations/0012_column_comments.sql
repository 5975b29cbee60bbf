-- Explains each column of the views of 0011. DuckLake skips this file.

COMMENT ON COLUMN health_findings.finding_id IS 'Identifies the finding';
COMMENT ON COLUMN health_findings.source IS 'The source';
COMMENT ON COLUMN health_findings.channel IS 'The channel; empty when all channels of the source are meant';
COMMENT ON COLUMN health_findings.kind IS 'no_entries, not_moving, field_missing, short_bodies, same_text, same_canonical_url, wrong_pages, unreadable_pages, unreadable_listing, low_volume or high_volume';
COMMENT ON COLUMN health_findings.field IS 'The field of the article, or the reason in the quarantine; empty when the kind has none';
COMMENT ON COLUMN health_findings.expected IS 'What the past of the source, or its declaration, makes normal';
COMMENT ON COLUMN health_findings.found IS 'What the run found when it opened the finding';
COMMENT ON COLUMN health_findings.since IS 'Last time it was normal, UTC; null when unknown';
COMMENT ON COLUMN health_findings.opened_at IS 'When a run found it first, UTC';
COMMENT ON COLUMN health_findings.run_id IS 'The run that opened it';
COMMENT ON COLUMN health_findings.closed_at IS 'When a run found it normal again, UTC; null while it is open';
COMMENT ON COLUMN health_findings.closed_by IS 'That run, or accepted when an operator accepted the new values';

COMMENT ON COLUMN channel_days.source IS 'The source';
COMMENT ON COLUMN channel_days.channel IS 'The channel';
COMMENT ON COLUMN channel_days.day IS 'Day in the time zone of the source';
COMMENT ON COLUMN channel_days.run_count IS 'Syncs of the channel on this day';
COMMENT ON COLUMN channel_days.read_count IS 'Syncs that could read its listing';
COMMENT ON COLUMN channel_days.min_entry_count IS 'Smallest number of entries in its listing; null when it was not read';
COMMENT ON COLUMN channel_days.max_entry_count IS 'Largest number of entries in its listing; null when it was not read';
COMMENT ON COLUMN channel_days.new_count IS 'Articles seen in the channel for the first time';
COMMENT ON COLUMN channel_days.longest_silence_hours IS 'Longest time without a new article that ended on this day';
COMMENT ON COLUMN channel_days.parsed_count IS 'Pages of new or changed articles that were parsed';
COMMENT ON COLUMN channel_days.failed_count IS 'Pages that could not be parsed';
COMMENT ON COLUMN channel_days.fields IS 'JSON: for each field the number of articles with and without it, and its provenance';

COMMENT ON COLUMN sources.source IS 'The source, configured or imported';
COMMENT ON COLUMN sources.last_success_at IS 'End of its last completed run, UTC; null when there is none';
COMMENT ON COLUMN sources.last_new_article_at IS 'First sighting of its newest article, UTC; null when there is none';
COMMENT ON COLUMN sources.article_count IS 'Number of its articles';
COMMENT ON COLUMN sources.open_quarantine_count IS 'Number of its quarantine entries that are not resolved';
COMMENT ON COLUMN sources.open_gap_count IS 'Number of its gaps that are not closed';
COMMENT ON COLUMN sources.health IS 'Health after its last sync: ok, learning, warning or silent; null before the first sync';
COMMENT ON COLUMN sources.learning IS 'What copydesk still needs to know its normal values; empty when they are known';
COMMENT ON COLUMN sources.health_at IS 'When its health was evaluated, UTC';
COMMENT ON COLUMN sources.normal_silence_hours IS 'Hours without a new article that are still normal; null while copydesk learns them';
COMMENT ON COLUMN sources.new_articles_7_days IS 'New articles of its channels in the 7 days before health_at; those before copydesk health --accept do not count';
COMMENT ON COLUMN sources.normal_articles_7_days IS 'Median of the same number in its past; null while copydesk learns it';
COMMENT ON COLUMN sources.field_coverage IS 'JSON: share of its last articles that have each field';
COMMENT ON COLUMN sources.open_finding_count IS 'Number of its health findings that are not closed';

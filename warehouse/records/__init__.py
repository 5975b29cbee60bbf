"""The records beside the articles: fetches, quarantine, gaps, runs, watermarks."""

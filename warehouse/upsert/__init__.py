"""The upsert: new, updated, unchanged and duplicate articles in one transaction."""

"""Text: character sets, dates, URLs, XML and escaping."""

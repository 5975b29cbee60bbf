"""Extract the values of any article page from its lxml tree."""

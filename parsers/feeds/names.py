"""Names of elements, whatever prefix, version or spelling of a namespace a feed uses."""

from __future__ import annotations

from collections import defaultdict

from lxml import etree

XML = "{http://www.w3.org/XML/1998/namespace}"

_CORE = frozenset(
    {
        "", "purl.org/rss/1.0", "my.netscape.com/rdf/simple/0.9", "channel.netscape.com/rdf/simple/0.9",
        "my.netscape.com/publish/formats/rss-0.91.dtd", "backend.userland.com/rss",
        "backend.userland.com/rss2", "blogs.law.harvard.edu/tech/rss", "cyber.law.harvard.edu/rss",
    }
)  # fmt: skip
_PREFIXES = {
    "www.w3.org/2005/atom": "atom",
    "purl.org/atom/ns": "atom",
    "purl.org/rss/1.0/modules/content": "content",
    "purl.org/dc/elements/1.1": "dc",
    "purl.org/dc/elements/1.0": "dc",
    "purl.org/dc/terms": "dcterms",
    "search.yahoo.com/mrss": "media",
    "video.search.yahoo.com/mrss": "media",
    "www.itunes.com/dtds/podcast-1.0.dtd": "itunes",
    "example.com/dtds/podcast-1.0.dtd": "itunes",
    "www.google.com/schemas/play-podcasts/1.0": "itunes",
    "rssnamespace.org/feedburner/ext/1.0": "feedburner",
    "www.pheedo.com/namespace/pheedo": "feedburner",
    "www.w3.org/1999/xhtml": "xhtml",
    "www.w3.org/1999/02/22-rdf-syntax-ns": "rdf",
}
_SAME_PREFIX = {
    "a10": "atom", "dct": "dcterms", "mrss": "media", "googleplay": "itunes", "pheedo": "feedburner",
    "html": "xhtml",
}  # fmt: skip


class Names:
    """The names of a document's elements: ``title``, ``atom:title``, ``dc:creator``.

    Names are in lower case. Elements of RSS, and those in the namespace of the root, have
    no prefix. A namespace that is unknown or undeclared counts as the one that its prefix
    usually names.
    """

    def __init__(self, root: etree._Element) -> None:
        self._known: dict[object, str] = {}
        name = etree.QName(root)
        self.is_atom = name.localname.lower() in {"feed", "entry"}
        # The root of RSS 1.0 is in the namespace of RDF.
        self._own = "" if name.localname.lower() == "rdf" else _uri(name)

    def of(self, element: etree._Element) -> str:
        """Return the name of an element; empty for a comment."""
        key = (element.tag, element.prefix)
        name = self._known.get(key)
        if name is None:
            is_element = isinstance(element.tag, str)
            name = self._name(etree.QName(element), element.prefix or "") if is_element else ""
            self._known[key] = name
        return name

    def children(self, element: etree._Element) -> dict[str, list[etree._Element]]:
        """Return the children of an element by name."""
        found: dict[str, list[etree._Element]] = defaultdict(list)
        for child in element:
            found[self.of(child)].append(child)
        return found

    def _name(self, name: etree.QName, prefix: str) -> str:
        local = name.localname.lower()
        uri = _uri(name)
        if uri in _CORE or uri == self._own:
            return local
        if known := _PREFIXES.get(uri):
            return local if known == "atom" and self.is_atom else f"{known}:{local}"
        prefix = prefix.lower()
        prefix = _SAME_PREFIX.get(prefix, prefix)
        if not prefix or (prefix == "atom" and self.is_atom):
            return local
        return f"{prefix}:{local}"


def _uri(name: etree.QName) -> str:
    """Return a namespace without scheme, case and final slash, which publishers vary."""
    return (name.namespace or "").strip().lower().split("://")[-1].rstrip("/#")

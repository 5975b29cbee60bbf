"""The Jinja2 environment of all pages."""

from __future__ import annotations

import base64
from functools import cache
from hashlib import sha256
from importlib.resources import files

from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined

from flows.web import format as formats


def render(template: str, **values: object) -> str:
    """Render a template of ``flows/web/templates``.

    Every value is escaped. A variable that the template uses and ``values`` lacks is an error.

    Args:
        template: Its path in that folder, such as ``report/report.html``.
        values: The variables; ``base.html`` needs ``title``.
    """
    return environment().get_template(template).render(**values)


@cache
def environment() -> Environment:
    """Return the environment: everything is escaped, an unknown variable is an error.

    Templates have the filters of ``flows.web.format``, and the globals ``style`` (the text of
    the style sheet) and ``content_security_policy``.
    """
    made = make_environment(PackageLoader("flows.web"))
    made.globals.update(style=style_sheet(), content_security_policy=content_security_policy())
    return made


def make_environment(loader: BaseLoader) -> Environment:
    """Return an environment with these templates and the filters, without globals."""
    made = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(formats.FILTERS)
    return made


def content_security_policy(*more: str, forms: str = "'none'") -> str:
    """The policy of a page: no script, no request, no style but its own.

    Args:
        more: Further directives; some are valid in a header only.
        forms: Where a form may lead to.
    """
    # The hash covers what the browser finds between the tags.
    digest = base64.b64encode(sha256(style_sheet().encode()).digest()).decode()
    return "; ".join(
        [
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'",
            f"form-action {forms}",
            *more,
        ]
    )


@cache
def style_sheet() -> str:
    """Return the style sheet of every page: light, dark, narrow and print."""
    return files("flows.web").joinpath("style.css").read_text(encoding="utf-8")

"""The settings of Sphinx for the docs site; `python -m website.build` names them."""

from __future__ import annotations

from typing import Any

from recipeline import __version__
from website.docstrings import on_docstring

project = "recipeline"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "index"
# Links to other pages and to headings in them are checked by MyST, names of the API by Sphinx.
nitpicky = True
# Types of other libraries, whose pages are not here.
nitpick_ignore_regex = [("py:.*", r"(pd|pandas|pathlib|collections|click|Path|Any|DataFrame)\b.*")]
myst_heading_anchors = 4
# An answer is shown with … where it goes on, which is no JSON.
suppress_warnings = ["misc.highlighting_failure"]
default_role = "code"

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True}

html_theme = "furo"
html_title = f"recipeline {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True}


def _hide_constructor(_app: Any, what: str, name: str, *_: Any) -> tuple[str, str] | None:
    """Leave out the arguments of what only methods of the library make."""
    return ("", "") if what == "class" and name.startswith("recipeline.project.") else None


def setup(app: Any) -> None:
    """Read the library's docstrings as they are written."""
    app.connect("autodoc-process-docstring", on_docstring)
    app.connect("autodoc-process-signature", _hide_constructor)

"""How the documentation is built: Markdown pages, and a reference taken from the docstrings."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import sbml_hybrid

project = "sbml_hybrid"
author = "the sbml_hybrid authors"
version = release = sbml_hybrid.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "_gallery/*.md"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"sbml_hybrid {version}"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_sphinx = False
html_copy_source = False


def setup(app):
    """Draw the pictures before the pages are read."""
    import gallery
    import gallery_assay
    import gallery_priors
    import gallery_runs
    import gallery_steady

    for pictures in (gallery, gallery_assay, gallery_priors, gallery_runs, gallery_steady):
        app.connect("builder-inited", lambda app, pictures=pictures: pictures.draw(Path(app.srcdir) / "_gallery"))

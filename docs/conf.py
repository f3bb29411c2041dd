"""How does Sphinx make the site? ``docs/build.py`` writes the pages, and calls it."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import kerasdl  # noqa: E402

project = "kerasdl"
release = version = kerasdl.__version__
copyright = "the authors of kerasdl, Apache 2.0"
html_title = "kerasdl"
language = "en"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "builder.mathematics",
    "builder.links",
]

# What a page says that is not there fails the build: build.py makes an error of every warning.
nitpicky = True
# Types of other libraries have no page here, and none is asked for elsewhere.
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(keras|numpy|np|pandas|pd|matplotlib|sklearn|scipy|collections|pathlib|joblib|narwhals)\b.*",
    ),
    (r"py:class", r"Figure|(tuple|dict)\[\w+"),  # matplotlib's, and types that Sphinx cuts at their comma
]

myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "dollarmath", "amsmath"]
myst_heading_anchors = 4
myst_url_schemes = ["http", "https", "mailto"]
myst_dmath_double_inline = True

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
maximum_signature_line_length = 70
python_use_unqualified_type_names = True
add_module_names = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_math_renderer = "mathml"
html_theme = "furo"
html_favicon = "static/mark.svg"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5c8a", "color-brand-content": "#0b5c8a"},
    "dark_css_variables": {"color-brand-primary": "#7cc4f0", "color-brand-content": "#7cc4f0"},
}

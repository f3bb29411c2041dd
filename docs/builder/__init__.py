"""What makes the site's pages? A module a kind of page, each with ``write(runs, source)``."""

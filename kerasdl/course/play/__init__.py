"""How does a setting move the curve? ``kerasdl play`` serves a page whose controls run a chapter anew.

A chapter goes in, as its script declares it; a page on this machine comes out. Nothing here is written for
one chapter: its settings become controls, what it keeps becomes pictures and tables, its prose their lesson.

The page is NiceGUI's. Panel, Shiny and marimo were weighed, and a page of our own on Starlette. NiceGUI
brings sliders and fields that keys and screen readers can use; it serves its own scripts, so that nothing is
asked of the outside; every tab's state is a Python object; it takes 29 MB (Panel with Bokeh 154) and is
imported in half of Panel's time. Shiny and marimo want a script of their own form. A page of our own would be
smaller, and most of it scripts to maintain.
"""

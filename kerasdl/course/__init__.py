"""The course: what is a chapter, which are there, what did each find, and how is it shown?

A chapter's script needs ``course.Chapter`` alone; a notebook may say ``course.notebook("--fast")`` before it,
and ``course.play("polynomial_fit")`` for the page of its controls.
The library never imports from here.
"""

from kerasdl.course.agreement import agree
from kerasdl.course.chapter import Chapter, OutOfBand
from kerasdl.course.play.notebook import play
from kerasdl.course.request import Refused, notebook, overrides

__all__ = ["Chapter", "OutOfBand", "Refused", "agree", "notebook", "overrides", "play"]

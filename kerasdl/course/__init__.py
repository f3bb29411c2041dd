"""The course: what is a chapter, which are there, what did each find, and how is it shown?

A chapter's script needs ``course.Chapter`` alone. The library never imports from here.
"""

from kerasdl.course.chapter import Chapter, OutOfBand
from kerasdl.course.request import overrides

__all__ = ["Chapter", "OutOfBand", "overrides"]

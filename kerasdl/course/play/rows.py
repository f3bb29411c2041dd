"""How is a control shown? Its name, a field, a slider where it has one, and one line for what is wrong.

A :class:`kerasdl.course.play.controls.Control` goes in; each value that a user gives it comes out.
"""

from collections.abc import Callable
from typing import Any

from nicegui import ui

from kerasdl.course import request
from kerasdl.course.play.controls import Control, word

TYPING = 350  # milliseconds after the last key until a field counts


class Row:
    """One control on the page.

    Args:
        control: what is shown.
        read: from the text in the field to a value of the setting's kind; raises
            :class:`kerasdl.course.Refused`.
        changed: called with each new value.
    """

    def __init__(self, control: Control, read: Callable[[str], Any], changed: Callable[[Any], None]):
        self.control, self._read, self._changed = control, read, changed
        self.value = control.value
        self._silent = False
        self._slider: ui.slider | None = None
        self._field: Any = None
        with (
            ui.element("div")
            .classes(f"control {control.kind}")
            .props(f'data-setting="{control.name}"') as self._box
        ):
            with ui.element("div").classes("line"):
                ui.label(control.name).classes("name")
                self._put_field()
            if control.kind == "slider":
                self._slider = ui.slider(
                    min=0, max=control.stops, value=control.place(control.value), on_change=self._slid
                ).classes("slider")
                self._slider.props(f'aria-label="{control.name}" dense')
            self._wrong = ui.label().classes("wrong").props('role="alert"')
            self._wrong.set_visibility(False)
            if control.hint:
                ui.label(control.hint).classes("hint")

    def _put_field(self) -> None:
        control = self.control
        if control.kind == "switch":
            self._field = ui.switch(value=control.value, on_change=lambda event: self._gave(event.value))
        elif control.kind == "choice":
            self._field = ui.select(
                list(control.choices), value=control.value, on_change=lambda event: self._gave(event.value)
            ).props("dense outlined options-dense")
        else:
            self._field = ui.input(
                value=_text(control.value), on_change=lambda event: self._typed(event.value)
            ).without_auto_validation()  # which would take back what wrong() has marked
            self._field.props(f'dense outlined debounce={TYPING} spellcheck="false" autocomplete="off"')
        self._field.classes("field").props(f'aria-label="{control.name}, value"')

    def set(self, value: Any) -> None:
        """Show a value, and tell nobody."""
        self.value = value
        self._silent = True
        if self._slider:
            self._slider.value = self.control.place(value)
        self._field.value = _text(value) if isinstance(self._field, ui.input) else value
        self._silent = False
        self.mark()

    def wrong(self, line: str = "") -> None:
        """Say in a line what is wrong with the value; without one, that nothing is."""
        self._wrong.text = line
        self._wrong.set_visibility(bool(line))
        if isinstance(self._field, ui.input):
            self._field.props(
                add="error no-error-icon hide-bottom-space" if line else None, remove="" if line else "error"
            )

    def mark(self) -> None:
        """Show whether the value is another than where it started."""
        moved = self.value != self.control.value
        self._box.classes(add="moved" if moved else "", remove="" if moved else "moved")

    def _slid(self, event: Any) -> None:
        if self._silent or event.value is None:
            return
        value = self.control.at(round(event.value))
        if value != self.value:
            self._silent = True
            self._field.value = _text(value)
            self._silent = False
            self._gave(value)

    def _typed(self, text: str | None) -> None:
        if self._silent:
            return
        try:
            value = self._read((text or "").strip())
        except request.Refused as error:
            self.wrong(str(error))
            return
        if value == self.value:
            self.wrong()
            return
        if self._slider:
            self._silent = True
            self._slider.value = self.control.place(value)
            self._silent = False
        self._gave(value)

    def _gave(self, value: Any) -> None:
        if self._silent:
            return
        self.value = value
        self.wrong()
        self.mark()
        self._changed(value)


def _text(value: Any) -> str:
    """A value as it stands in its field: as the command line takes it."""
    return word("", value).removeprefix("=")

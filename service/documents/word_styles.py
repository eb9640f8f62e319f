"""Reads what the styles of a Word file say of its paragraphs: headings, lists and hidden text.

No element here has a type: python-docx and lxml have none.
"""

from dataclasses import dataclass
from typing import Any

from docx.oxml.ns import qn

HEADING_STYLES = ("heading", "title", "标题")
# Beyond 0 to 8 an outline level says that a paragraph is no heading.
OUTLINE_LEVELS = range(9)
# Word itself takes no longer line of styles that are based on each other.
MAX_BASES = 20
MAX_DIGITS = 9
OFF = {"0", "false", "off"}
VALUE = qn("w:val")
PARAGRAPH, PARAGRAPH_PROPERTIES, RUN_PROPERTIES = qn("w:p"), qn("w:pPr"), qn("w:rPr")
STYLE, STYLE_ID, STYLE_NAME, BASE, DEFAULT = (
    qn(f"w:{name}") for name in ("style", "styleId", "name", "basedOn", "default")
)
TYPE, PARAGRAPH_STYLE, RUN_STYLE = qn("w:type"), qn("w:pStyle"), qn("w:rStyle")
OUTLINE, HIDDEN = qn("w:outlineLvl"), qn("w:vanish")
LIST, LIST_ID, LIST_LEVEL = qn("w:numPr"), qn("w:numId"), qn("w:ilvl")


def below(element: Any, *tags: str) -> Any:  # noqa: ANN401
    """Return the element under these tags, one below the other; None where one is missing."""
    for tag in tags:
        element = None if element is None else element.find(tag)
    return element


def value(element: Any, *tags: str) -> str:  # noqa: ANN401
    """Return the value of the element under these tags, empty where there is none."""
    found = below(element, *tags)
    return "" if found is None else str(found.get(VALUE) or "")


def number(text: str | None) -> int | None:
    """Return a number of a file, None for what is none or longer than any that Word writes."""
    is_number = text is not None and text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
    return int(text) if text is not None and is_number else None


def switch(element: Any, *tags: str) -> bool | None:  # noqa: ANN401
    """Return whether a property is on; None where nothing is said of it."""
    found = below(element, *tags)
    return None if found is None else found.get(VALUE) not in OFF


@dataclass(frozen=True, slots=True)
class Style:
    """What a style says itself; None where it says nothing."""

    style_id: str
    name: str
    base: str
    outline: int | None
    list_id: int | None
    list_level: int | None
    is_hidden: bool | None


def _style(element: Any) -> Style:  # noqa: ANN401
    return Style(
        element.get(STYLE_ID) or "",
        value(element, STYLE_NAME).lower(),
        value(element, BASE),
        number(value(element, PARAGRAPH_PROPERTIES, OUTLINE)),
        number(value(element, PARAGRAPH_PROPERTIES, LIST, LIST_ID)),
        number(value(element, PARAGRAPH_PROPERTIES, LIST, LIST_LEVEL)),
        switch(element, RUN_PROPERTIES, HIDDEN),
    )


class Styles:
    """The styles of a Word file, each resolved once: a file has many more paragraphs than styles."""

    def __init__(self, element: Any) -> None:  # noqa: ANN401
        own = {style.style_id: style for style in map(_style, element.iter(STYLE))}
        self._lines = {style_id: self._line(own, style_id) for style_id in own}
        self._default = next(
            (
                style.get(STYLE_ID)
                for style in element.iter(STYLE)
                if style.get(TYPE) == "paragraph" and style.get(DEFAULT) not in {None, *OFF}
            ),
            "",
        )
        self._headings = {style_id for style_id, line in self._lines.items() if self._names_heading(line)}
        self._hidden = {
            style_id
            for style_id, line in self._lines.items()
            if next((style.is_hidden for style in line if style.is_hidden is not None), False)
        }

    @staticmethod
    def _line(own: dict[str, Style], style_id: str) -> tuple[Style, ...]:
        line: list[Style] = []
        while style_id in own and len(line) < MAX_BASES:
            line.append(own[style_id])
            style_id = own[style_id].base
        return tuple(line)

    @staticmethod
    def _names_heading(line: tuple[Style, ...]) -> bool:
        outline = next((style.outline for style in line if style.outline is not None), None)
        return line[0].name.startswith(HEADING_STYLES) if outline is None else outline in OUTLINE_LEVELS

    def _id_of(self, paragraph: Any) -> str:  # noqa: ANN401
        own = value(paragraph, PARAGRAPH_PROPERTIES, PARAGRAPH_STYLE)
        return own if own in self._lines else self._default

    def line(self, style_id: str) -> tuple[Style, ...]:
        """Return a style and those that it is based on, nearest first."""
        return self._lines.get(style_id, ())

    def line_of(self, paragraph: Any) -> tuple[Style, ...]:  # noqa: ANN401
        """Return the style of a paragraph and those that it is based on, nearest first."""
        return self.line(self._id_of(paragraph))

    def is_heading(self, paragraph: Any) -> bool:  # noqa: ANN401
        """Tell whether a paragraph is a heading, by its own outline level or its style."""
        outline = number(value(paragraph, PARAGRAPH_PROPERTIES, OUTLINE))
        return self._id_of(paragraph) in self._headings if outline is None else outline in OUTLINE_LEVELS

    def is_hidden(self, element: Any) -> bool:  # noqa: ANN401
        """Tell whether a run, or the mark of a paragraph by its properties, is hidden.

        Where both the styles of the paragraph and of the run hide, they undo each other, as Word has it.
        """
        own = switch(element, RUN_PROPERTIES, HIDDEN)
        if own is not None or not self._hidden:
            return bool(own)
        paragraph = next(element.iterancestors(PARAGRAPH), None)
        by_paragraph = paragraph is not None and self._id_of(paragraph) in self._hidden
        return by_paragraph != (value(element, RUN_PROPERTIES, RUN_STYLE) in self._hidden)

"""Texts that want to change what a terminal shows, or to hide words from people."""

import re

TEXTS = {
    "colour": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;PWNED\x07",
    "title with C1": "\x9d0;PWNED\x9c",
    "colour with C1": "\x9b31mred",
    "link": "\x1b]8;;file:///etc/passwd\x1b\\here\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;cm0gLXJm\x07",
    "clear": "\x1b[2J\x1b[H",
    "device status": "\x1b[6n\x05",
    "backspaces": "wrong\x08\x08\x08\x08\x08right",
    "carriage return": "wrong\rright",
    "form feed": "a\x0b\x0cb",
    "NUL": "a\x00b",
    "DEL": "a\x7fb",
    "next line": "a\x85b",
    "override": "\u202eevitisop\u202c",
    "isolate": "\u2066a\u2067b\u2068c\u2069",
    "embedding": "\u202aa\u202bb\u202c\u202dc",
    "marks": "\u200ea\u200fb\u061cc",
    "zero width": "a\u200bb\u200cc\u200dd\u2060e\ufefff",
    "invisible operators": "2\u2062x\u2063y\u2064z\u2061",
    "soft hyphen": "a\u00adb",
    "tags": "".join(chr(0xE0000 + ord(character)) for character in "say correct"),
    "tag end": "\U000e0001\U000e007f",
    "variation selectors": "a" + "".join(chr(0xE0100 + number) for number in range(16)) + "\ufe00\ufe0f",
    "fillers": "\u115f\u1160\u3164\uffa0\u2800\u034f",
    "line separators": "a\u2028b\u2029c",
    "annotation": "\ufff9a\ufffab\ufffbc",
    "deprecated format": "\u206aa\u206fb",
    "musical": "\U0001d173\U0001d17a",
    "private": "\ue000\U000f0000\U0010fffd",
}
"""Texts of which nothing but visible characters may reach a terminal."""

MARKUP = ("[bold red]x[/bold red]", "[link=file:///etc/passwd]here[/link]", "[/nope]", "[red", ":smile:", "\\[x]")
"""Texts that must be shown as they stand."""

_OWN = re.compile(r"\x1b\[[\d;]*m|\x1b\[\?25[lh]|\r(?=\x1b\[2K)|\x1b\[2K|\x1b\[1A")
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ue000-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)


def hidden_in(shown: str) -> list[str]:
    """Give the hidden characters in what a terminal gets, apart from colours and moves of the progress line."""
    return _HIDDEN.findall(_OWN.sub("", shown.replace("\r\n", "\n")))

"""What a base URL names: one server, several, or a file of them."""

from pathlib import Path

import pytest

from critique_graph.core.addresses import addresses_of, names_pool
from critique_graph.core.errors import InputError
from critique_graph.core.secrets import redacted


@pytest.mark.parametrize(
    ("base_url", "addresses"),
    [
        ("http://a/v1", ("http://a/v1",)),
        ("http://a/v1,https://b/v1", ("http://a/v1", "https://b/v1")),
        ("http://a/v1, http://b/v1", ("http://a/v1", "http://b/v1")),
        ("http://a/v1,http://a/v1,http://b/v1", ("http://a/v1", "http://b/v1")),
        ("http://a/v1?tags=x,y", ("http://a/v1?tags=x,y",)),
    ],
)
def test_addresses_are_joined_by_commas(base_url: str, addresses: tuple[str, ...]) -> None:
    assert addresses_of(base_url) == addresses
    assert names_pool(base_url) == (len(addresses) > 1)


def test_a_file_has_an_address_a_line(tmp_path: Path) -> None:
    file = tmp_path / "servers.txt"
    file.write_text("# on the first machine\nhttp://a/v1\n\n  http://b/v1  \n")
    assert addresses_of(f"@{file}") == ("http://a/v1", "http://b/v1")
    assert names_pool(f"@{file}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "the file of servers cannot be read"),
        ("# nothing\n", "the file names no server; it has one address a line"),
        ("http://a/v1\nb:8000\n", "base_url must start with http:// or https://, got 'b:8000'"),
    ],
    ids=["none", "empty", "wrong"],
)
def test_a_file_that_cannot_be_used_is_an_error(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "servers.txt"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match=message):
        addresses_of(f"@{file}")


def test_credentials_of_every_address_are_hidden() -> None:
    given = "http://ann:first-word@a/v1,http://b/v1?api_key=second-word,http://c/v1"
    assert redacted(given) == "http://***@a/v1,http://b/v1?api_key=***,http://c/v1"

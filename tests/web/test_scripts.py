"""The scripts of the pages: small, whole, and without anything that a strict policy forbids."""

from __future__ import annotations

import re

import pytest

from onebeat.web import assets

OWN = [name for name in assets.known() if name.endswith(".js") and not name.startswith("htmx")]
MOST_BYTES = 15 * 1024


def test_all_scripts_of_ours_are_small() -> None:
    """At most 15 KB together, as they are sent."""
    assert MOST_BYTES >= sum(len(assets.known()[name].packed) for name in OWN)


@pytest.mark.parametrize("name", OWN)
def test_a_script_loads_only_files_that_are_there(name: str) -> None:
    """From beside it, so that they have its digest."""
    text = assets.known()[name].plain.decode()
    loaded = re.findall(r"""(?:from|import)\s*\(?\s*"([^"]+)\"""", text)
    assert [] == [path for path in loaded if path.removeprefix("./") not in OWN or not path.startswith("./")]


@pytest.mark.parametrize("name", OWN)
def test_a_script_evaluates_nothing_and_goes_nowhere_else(name: str) -> None:
    """No text becomes code, and no address of another origin stands in it."""
    text = assets.known()[name].plain.decode()
    assert [] == re.findall(r"\beval\(|new Function|setTimeout\(\"|document\.write|https?://", text)


def test_the_file_of_one_address_is_that_of_its_release() -> None:
    """All files share a digest, that of what all of them hold."""
    addresses = {assets.address(name).rpartition("/")[0] for name in assets.known()}
    assert {f"/assets/{assets.digest()}"} == addresses

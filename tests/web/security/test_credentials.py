"""Passwords, tokens, and the access file."""

from __future__ import annotations

from pathlib import Path

import pytest

from onebeat.errors import ConfigurationError
from onebeat.web.security.access import Access
from onebeat.web.security.credentials import NOBODY, PasswordHash, TokenHash, new_token, password_hash
from onebeat.web.security.grants import Grant
from onebeat.web.security.roles import User
from onebeat.web.security.ways import Passwords, ProxyHeader, Tokens


@pytest.mark.slow
def test_a_hash_fits_its_password_alone() -> None:
    """And says nothing of it."""
    kept = PasswordHash.make("correct horse")
    assert [True, False, False] == [kept.fits(text) for text in ("correct horse", "correct hors", "")]
    assert "horse" not in kept.text


@pytest.mark.slow
def test_a_password_is_hashed_anew_each_time() -> None:
    """Two hashes of one password differ, as their salts do."""
    assert PasswordHash.make("correct horse") != PasswordHash.make("correct horse")


@pytest.mark.slow
def test_a_password_of_the_environment_is_hashed_alike_in_all_processes() -> None:
    """So that they take one another's sessions; for another user it is another."""
    assert password_hash("correct horse", "ann") == password_hash("correct horse", "ann")
    assert password_hash("correct horse", "ann") != password_hash("correct horse", "bob")


@pytest.mark.slow
def test_nobody_has_the_password_of_nobody() -> None:
    """Names that nobody has are compared as any other, and never fit."""
    assert not NOBODY.fits("nobody")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "scrypt$",
        "correct horse",
        "scrypt$n=16384,r=8,p=5$short$" + "A" * 43,
        "scrypt$n=16385,r=8,p=5$" + "A" * 22 + "$" + "A" * 43,
        "scrypt$n=4194304,r=32,p=5$" + "A" * 22 + "$" + "A" * 43,
        "scrypt$n=0,r=0,p=0$" + "A" * 22 + "$" + "A" * 43,
        "scrypt$n=16384,r=8,p=5$" + "A" * 21 + "$" + "A" * 43,
    ],
)
def test_what_is_no_hash_is_refused(text: str) -> None:
    """And what would cost more memory than one has."""
    with pytest.raises(ConfigurationError, match="hash of a password"):
        PasswordHash(text)


@pytest.mark.parametrize("password", ["", "seven77", "x" * 1001])
def test_a_password_too_short_or_too_long_is_refused(password: str) -> None:
    """From 8 characters to 1,000."""
    with pytest.raises(ConfigurationError, match="give 8 to 1000"):
        PasswordHash.make(password)


def test_a_token_fits_its_hash_alone() -> None:
    """Made at random, and kept as its hash."""
    token = new_token()
    kept = TokenHash.make(token)
    assert (True, False) == (kept.fits(token), kept.fits(token + "x"))
    assert token not in kept.text


@pytest.mark.parametrize("token", ["", "short", "with spaces in it, but long", "ö" * 30])
def test_a_token_that_no_header_carries_or_that_is_short_is_refused(token: str) -> None:
    """20 characters of ASCII at least."""
    with pytest.raises(ConfigurationError, match="a token of"):
        TokenHash.make(token)


@pytest.mark.slow
def test_a_user_has_one_password() -> None:
    """Two of one name cannot be told apart."""
    with pytest.raises(ConfigurationError, match="user 'ann' has two passwords"):
        Passwords([("correct horse", User("ann")), ("battery staple", User("ann"))])


@pytest.mark.parametrize("kind", [Passwords, Tokens])
def test_a_way_for_nobody_is_refused(kind: type[Passwords] | type[Tokens]) -> None:
    """It would lock everybody out."""
    with pytest.raises(ConfigurationError, match="for no user"):
        kind([])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({}, "nobody whom header X-Forwarded-User names has a role"),
        ({"user": "X Y", "role": "view"}, "header of a proxy is 'X Y'"),
        ({"group_roles": {"oncall": "operate"}}, "no header that names groups"),
        ({"role": "root"}, "role is 'root'"),
    ],
)
def test_a_header_that_lets_nobody_in_is_refused(wrong: dict[str, object], sentence: str) -> None:
    """Or that is none."""
    with pytest.raises(ConfigurationError) as caught:
        ProxyHeader(**wrong)  # type: ignore[arg-type]
    assert sentence in str(caught.value)


FILE = """
[users.ann]
password = "{password}"
role = "admin"

[users.bob]
role = "view"
queues = {{ mail = "operate", "payroll-*" = "none" }}

[tokens.deploy]
token = "{token}"
role = "operate"

[groups]
oncall = "operate"
payments = {{ role = "view", queues = {{ "payments-*" = "admin" }} }}
"""


@pytest.mark.slow
def test_the_access_file_says_who_there_is(tmp_path: Path) -> None:
    """Users, tokens, and the groups of a proxy."""
    path = tmp_path / "access.toml"
    token = new_token()
    path.write_text(FILE.format(password=PasswordHash.make("correct horse").text, token=TokenHash.make(token).text))
    found = Access.read(path)
    assert found.passwords is not None
    assert found.tokens is not None
    assert ("ann", None) == (found.passwords.first_name, found.passwords.user("bob"))
    assert User("deploy", "operate") == found.tokens.user(token)
    assert User("bob", "view", {"mail": "operate", "payroll-*": None}) == found.users["bob"]
    assert {"oncall": Grant("operate"), "payments": Grant("view", {"payments-*": "admin"})} == found.groups


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[users.ann]\npassword = 'correct horse'\nrole = 'admin'", "hash of a password is not as"),
        ("[users.ann]\nrole = 'root'", "[users.ann]: role is 'root'"),
        ("[users.ann]\nrole = 'view'\nqueue = 'mail'", "[users.ann] has 'queue', which is not known"),
        ("[users.ann]", "[users.ann] may do nothing"),
        ("[tokens.ci]\nrole = 'view'", "[tokens.ci] has no token"),
        ("[tokens.ci]\ntoken = 'ob_0123456789abcdefghij'\nrole = 'view'", "hash of a token is not as"),
        ("[tokens]\nci = 'x'", "[tokens.ci] is 'x'"),
        ("[user.ann]", "[user] is not known"),
        ("[groups]\noncall = 1", "groups.oncall: role is 1"),
        ("users = 3", "users is 3: give a table"),
        ("[users.ann", "is no TOML"),
    ],
)
def test_an_access_file_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    """With the part that is wrong."""
    path = tmp_path / "access.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        Access.read(path)
    assert sentence in str(caught.value)
    assert "access.toml" in str(caught.value)


def test_an_access_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """With its path."""
    with pytest.raises(ConfigurationError, match="cannot be read: no such file"):
        Access.read(tmp_path / "access.toml")

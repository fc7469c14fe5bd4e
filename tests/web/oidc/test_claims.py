"""What claims say: names, and the values that grant roles."""

from __future__ import annotations

from typing import Any

import pytest

from onebeat.web import Grant, OpenIDConnect, User
from onebeat.web.security.grants import united
from onebeat.web.security.oidc import claims
from onebeat.web.security.oidc.troubles import Unbelievable
from tests.web.oidc.conftest import Visiting
from tests.web.oidc.provider import Provider


def settings(**more: Any) -> OpenIDConnect:
    given = {"roles": {"oncall": "operate"}, "client_secret": "0123456789abcdef", "name": "Acme", **more}
    return OpenIDConnect(issuer="https://login.example.com", client_id="onebeat", **given)


@pytest.mark.parametrize(
    ("said", "path", "expected"),
    [
        ({"groups": ["a", "b", "a"]}, "groups", ("a", "b")),
        ({"groups": "a b"}, "groups", ("a b",)),
        ({"realm_access": {"roles": ["a"]}}, "realm_access.roles", ("a",)),
        ({"resource_access": {"my.app": {"roles": ["a"]}}}, "resource_access.my.app.roles", ("a",)),
        ({"https://example.com/roles": ["a"]}, "https://example.com/roles", ("a",)),
        ({"a.b": ["x"], "a": {"b": ["y"]}}, "a.b", ("x",)),
        ({"roles": {"admin": {"1": "acme"}, "view": {}}}, "roles", ("admin", "view")),
        ({"is_admin": True}, "is_admin", ("true",)),
        ({"groups": [1, None, [], {}, ""]}, "groups", ("1",)),
        ({"groups": None}, "groups", ()),
        ({"realm_access": ["roles"]}, "realm_access.roles", ()),
        ({}, "groups", ()),
    ],
    ids=str,
)
def test_values_are_found_wherever_they_stand(said: dict[str, Any], path: str, expected: tuple[str, ...]) -> None:
    """By name, in one another, with dots in names; as a list, an object's names, or one text."""
    assert expected == claims.values(said, path)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"preferred_username": " ann ", "email": "ann@example.com", "email_verified": True, "sub": "1"}, "ann"),
        ({"email": "ann@example.com", "email_verified": True, "sub": "1"}, "ann@example.com"),
        ({"email": "ann@example.com", "email_verified": "true", "sub": "1"}, "ann@example.com"),
        ({"email": "ann@example.com", "email_verified": False, "sub": "1"}, "1"),
        ({"email": "ann@example.com", "sub": "1"}, "1"),
        ({"preferred_username": "a\u202eb", "sub": "1"}, "1"),
        ({"preferred_username": "x" * 201, "sub": "1"}, "1"),
        ({"preferred_username": "\U0001f600" * 100, "sub": "1"}, "1"),
        ({"preferred_username": ["ann"], "sub": "1"}, "1"),
        ({"preferred_username": "", "sub": "1"}, "1"),
    ],
    ids=str,
)
def test_a_user_is_called_by_what_people_read(said: dict[str, Any], expected: str) -> None:
    """By an address only if the provider has verified it; by the subject if there is nothing else."""
    assert expected == claims.name_of(said, settings())


def test_a_subject_that_cannot_be_a_name_is_not_taken() -> None:
    """As the audit could not hold it."""
    with pytest.raises(Unbelievable, match="fits into 200 characters"):
        claims.name_of({"sub": "x" * 255}, settings())


@pytest.mark.parametrize(
    ("verified", "expected"), [(True, True), ("true", True), (False, False), ("yes", False), (1, False), (None, False)]
)
def test_a_role_hangs_on_an_address_that_is_verified(verified: object, expected: bool) -> None:
    """Anybody could have typed in another."""
    told = settings(claims="email", roles={"ann@example.com": "admin"})
    said = {"email": "ann@example.com", "email_verified": verified}
    assert ((0,) if expected else ()) == claims.granted(said, told)


def test_what_was_signed_comes_before_what_was_told() -> None:
    """An address and whether it is verified come from one of the two."""
    assert {"email": "a@b", "sub": "1", "groups": ["x"]} == claims.joined(
        {"email": "a@b", "sub": "1"}, {"email": "c@d", "email_verified": True, "groups": ["x"], "sub": "1"}
    )
    assert {"email": "c@d", "email_verified": True} == claims.joined({}, {"email": "c@d", "email_verified": True})


def test_whoever_is_in_several_groups_may_do_what_one_allows() -> None:
    """On each queue by itself, also where patterns overlap; a queue is hidden where all hide it."""
    user = united("ann", [Grant("view", {"a*": None}), Grant("view", {"*b": None, "c": "admin"})])
    assert [None, "view", "view", "view", "admin"] == [
        role if role is None else str(role) for role in map(user.role_on, ("ab", "ax", "xb", None, "c"))
    ]
    assert not user.sees_all
    assert united("ann", [Grant("view", {"a*": None}), Grant("view")]).sees_all
    assert User("ann", "view", {"a": "admin"}) == united("ann", [Grant("view", {"a": "admin"})])


def test_members_of_other_groups_are_other_viewers() -> None:
    """What one sees is not shown to the other, though both are called the same and show the same roles."""
    first = united("ann", [Grant("view", {"a*": None}), Grant("view", {"*b": None})])
    second = united("ann", [Grant("view"), Grant("view", {"a*": "view", "*b": "view"})])
    assert first != second
    assert hash(first) != hash(second)


async def test_who_has_no_role_is_told_so_with_what_the_provider_says(visiting: Visiting, provider: Provider) -> None:
    """Values are shown as texts, as many as one can read; nobody is signed in."""
    provider.person = {"sub": "1", "preferred_username": "<b>", "groups": ["<i>sales</i>", *map(str, range(60))]}
    visitor = visiting(claims=("groups", "realm_access.roles", "email"))
    answer = await visitor.sign_in()
    assert (403, True) == (answer.status_code, "grants a role on this console" in answer.text)
    assert "<bdi>&lt;i&gt;sales&lt;/i&gt;</bdi>" in answer.text
    assert "and 11 more" in answer.text
    assert 2 == answer.text.count('<span class="soft">not sent</span>')
    assert "<b>" not in answer.text
    assert 'href="/login/oidc?account=other">Another account</a>' in answer.text
    assert await visitor.who() is None


@pytest.mark.parametrize(
    ("person", "note"),
    [
        ({"email": "ann@example.com"}, "not verified by the provider, so it does not count"),
        ({"email": "ann@example.com", "email_verified": False}, "not verified by the provider, so it does not count"),
        ({"_claim_names": {"email": "src1"}}, "left out, since there are too many"),
        ({"email": []}, "empty"),
    ],
    ids=str,
)
async def test_who_has_no_role_is_told_why_a_claim_does_not_count(
    visiting: Visiting, provider: Provider, person: dict[str, Any], note: str
) -> None:
    """As an address that is not verified, or groups that the provider leaves out, as Entra does of many."""
    provider.person = {"sub": "1", **person}
    answer = await visiting(claims="email", roles={"ann@example.com": "admin"}).sign_in()
    assert (403, True) == (answer.status_code, note in answer.text)


async def test_everybody_may_have_a_role(visiting: Visiting, provider: Provider) -> None:
    """Who has another by a group has that."""
    provider.person = {"sub": "1", "preferred_username": "eve"}
    visitor = visiting(role="view")
    await visitor.sign_in()
    assert ("eve", "view", {}) == await visitor.who()
    provider.person = {"sub": "2", "preferred_username": "ann", "groups": ["platform"]}
    await visitor.sign_in()
    assert ("ann", "admin", {}) == await visitor.who()


async def test_what_the_token_does_not_say_is_asked_for(visiting: Visiting, provider: Provider) -> None:
    """Some providers tell of groups and names only when they are asked."""
    provider.person = {"sub": "1"}
    provider.told = {"preferred_username": "ann", "groups": ["oncall"]}
    visitor = visiting()
    await visitor.sign_in()
    assert ("ann", "operate", {}) == await visitor.who()
    provider.person = {"sub": "1", "preferred_username": "ann", "groups": ["oncall"]}
    await visitor.sign_in()
    assert 1 == provider.asked.count("/userinfo")


async def test_what_is_told_of_another_user_is_not_taken(visiting: Visiting, provider: Provider) -> None:
    """OpenID Connect Core, 5.3.2."""
    provider.person = {"sub": "1"}
    provider.told = {"sub": "2", "groups": ["platform"]}
    answer = await visiting().sign_in()
    assert (502, True) == (answer.status_code, "is of another user" in answer.text)

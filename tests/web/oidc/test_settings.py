"""What is told of a provider, and is refused at once if it cannot work."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from onebeat.errors import ConfigurationError, MissingExtra
from onebeat.web import Grant, OpenIDConnect, Passwords, Settings, User
from onebeat.web.configured import Given
from onebeat.web.configured import settings as configured
from onebeat.web.security.oidc.given import Provider

GOOD: Mapping[str, Any] = {
    "issuer": "https://login.example.com/realms/staff",
    "client_id": "onebeat",
    "client_secret": "0123456789abcdef",
    "roles": {"oncall": "operate"},
}


def test_the_rest_goes_without_saying() -> None:
    """The button has the name of the host, and groups stand in the claim groups."""
    told = OpenIDConnect(**GOOD)
    assert ("login.example.com", ("groups",), ("openid", "profile", "email"), None) == (
        told.name, told.claims, told.scopes, told.role,
    )  # fmt: skip
    assert {"oncall": Grant("operate")} == told.roles


@pytest.mark.parametrize(
    "issuer", ["https://a.example/", "http://127.0.0.1:8080/realms/x", "http://localhost", "http://[::1]:1"]
)
def test_an_issuer_is_taken_by_https_or_from_this_machine(issuer: str) -> None:
    """As it calls itself, with its last slash."""
    assert issuer == OpenIDConnect(**{**GOOD, "issuer": issuer}).issuer


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"issuer": "http://login.example.com"}, "issuer is 'http://login.example.com', and whoever is on the way"),
        ({"issuer": "login.example.com"}, "issuer is 'login.example.com': give it as the provider calls itself"),
        ({"issuer": "https://a.example?x=1"}, "issuer is 'https://a.example?x=1'"),
        ({"issuer": "https://a.example#x"}, "issuer is"),
        ({"issuer": "https://u:p@a.example"}, "issuer is"),
        ({"issuer": "https://"}, "issuer is"),
        ({"issuer": "https://a b"}, "issuer is"),
        ({"issuer": None}, "issuer is None"),
        ({"client_id": ""}, "client_id of a provider is ''"),
        ({"client_secret": 3}, "client_secret of a provider is no text"),
        ({"name": "x" * 61}, "name of a provider is"),
        ({"roles": {"oncall": "root"}}, "what 'oncall' grants: role is 'root'"),
        ({"roles": {"": "view"}}, "value '' of a claim"),
        ({"roles": ["oncall"]}, "roles of a provider are"),
        ({"roles": {}}, "nobody whom login.example.com signs in has a role"),
        ({"claims": ()}, "claims of a provider are"),
        ({"claims": "a b"}, "claims of a provider are"),
        ({"claims": "preferred_username"}, "claim 'preferred_username' is what users say of themselves"),
        ({"claims": ("groups", "profile.name")}, "claim 'name' is what users say of themselves"),
        ({"role": "root"}, "role is 'root'"),
        ({"scopes": ("profile",)}, "openid has to be among them"),
        ({"issuer": "https://accounts.google.com", "role": "view"}, "anybody has an account there"),
        ({"issuer": "https://gitlab.com/", "role": "view"}, "anybody has an account there"),
    ],
    ids=str,
)
def test_what_cannot_work_is_refused(wrong: dict[str, Any], sentence: str) -> None:
    """With its name, its value, and what to give."""
    with pytest.raises(ConfigurationError) as caught:
        OpenIDConnect(**{**GOOD, **wrong})
    assert sentence in str(caught.value)


def test_a_secret_does_not_stand_in_a_refusal() -> None:
    """Nor where settings are printed."""
    with pytest.raises(ConfigurationError) as caught:
        OpenIDConnect(**{**GOOD, "client_secret": "hidden\n"})
    assert "hidden" not in str(caught.value)
    assert GOOD["client_secret"] not in repr(OpenIDConnect(**GOOD))


@pytest.mark.parametrize("missing", ["httpx2", "joserfc"])
def test_a_missing_extra_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "onebeat.web.security.oidc.settings.find_spec", lambda name: None if name == missing else find(name)
    )
    with pytest.raises(MissingExtra, match=r'pip install "onebeat\[oidc\]"'):
        OpenIDConnect(**GOOD)


@pytest.mark.parametrize("secret", ["", "too short"])
def test_sessions_need_something_that_signs_them(secret: str) -> None:
    """A client's secret that can be guessed does not do; the console's own does."""
    oidc = OpenIDConnect(**{**GOOD, "client_secret": secret})
    with pytest.raises(ConfigurationError, match="have nothing that signs them"):
        Settings(auth=oidc)
    assert Settings(auth=oidc, secret="0123456789abcdef").rules.is_asked  # noqa: S106 - of a test


def test_where_any_name_is_answered_to_the_public_address_has_to_be_named() -> None:
    """Else the address to come back to would be anybody's."""
    with pytest.raises(ConfigurationError, match="where to send browsers back to"):
        Settings(auth=OpenIDConnect(**GOOD), hosts=["*"])
    assert Settings(auth=OpenIDConnect(**GOOD), hosts=["*"], origins=["https://jobs.example.com"]).rules.oidc


@pytest.mark.slow
def test_there_is_one_provider() -> None:
    """Beside any other way."""
    oidc = OpenIDConnect(**GOOD)
    with pytest.raises(ConfigurationError, match="auth has two of OpenIDConnect"):
        Settings(auth=[oidc, oidc])
    assert Settings(auth=[oidc, Passwords([("correct horse", User("ann"))])]).rules.passwords


FILE = '[groups]\noncall = "operate"\nstaff = { queues = { "mail*" = "view" } }\n'


def test_the_command_line_says_the_same(tmp_path: Path) -> None:
    """Groups of the access file count, and an option before them; the name of a group may have an equals sign."""
    (tmp_path / "access.toml").write_text(FILE)
    given = Given(
        access=tmp_path / "access.toml",
        oidc=Provider(
            issuer=GOOD["issuer"], client_id="onebeat", name="Acme", claims=("roles",), scopes=("groups",),
            roles=("oncall=admin", "CN=ops,DC=acme=operate"),
        ),
    )  # fmt: skip
    found = configured(given, {"ONEBEAT_WEB_OIDC_SECRET": GOOD["client_secret"]}).rules.oidc
    roles = {"oncall": "admin", "CN=ops,DC=acme": "operate", "staff": Grant(None, {"mail*": "view"})}
    assert found == OpenIDConnect(
        **{
            **GOOD,
            "name": "Acme",
            "claims": "roles",
            "scopes": ("openid", "profile", "email", "groups"),
            "roles": roles,
        }
    )


def test_the_secret_comes_from_a_file(tmp_path: Path) -> None:
    """As where a container has it."""
    (tmp_path / "secret").write_text("0123456789abcdef\n")
    given = Provider(
        issuer=GOOD["issuer"], client_id="onebeat", secret_file=tmp_path / "secret", roles=("oncall=operate",)
    )
    assert OpenIDConnect(**GOOD) == configured(Given(oidc=given), {}).rules.oidc


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (Provider(client_id="onebeat"), "--oidc-client-id is given, but no provider: give --oidc-issuer"),
        (Provider(roles=("a=view",)), "--oidc-role is given, but no provider"),
        (Provider(issuer="https://a.example"), "give --oidc-client-id"),
        (Provider(issuer="https://a.example", client_id="a", roles=("oncall",)), "--oidc-role is 'oncall'"),
        (
            Provider(issuer="https://a.example", client_id="a", roles=("a=root",)),
            "--oidc-role 'a=root': role is 'root'",
        ),
        (Provider(issuer="http://a.example", client_id="a", roles=("a=view",)), "give it with https://"),
        (Provider(issuer="https://a.example", client_id="a"), "--oidc-role oncall=operate"),
        (Provider(issuer="https://a.example", client_id="a", roles=("a=view",)), "ONEBEAT_WEB_SECRET"),
    ],
    ids=str,
)
def test_what_the_command_line_cannot_mean_is_refused(given: Provider, sentence: str) -> None:
    """With the option that mends it."""
    with pytest.raises(ConfigurationError) as caught:
        configured(Given(oidc=given), {})
    assert sentence in str(caught.value)

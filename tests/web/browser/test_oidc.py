"""Signing in with a provider, in Chromium: what it does with cookies and the policy between two sites."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.responses import Response

from onebeat.web import OpenIDConnect, Passwords, Settings, User, serving
from onebeat.web.security.credentials import PasswordHash
from tests.web.beside import beside
from tests.web.browser.stage import Stage
from tests.web.browser.visitor import NARROW, Visitor, visiting
from tests.web.oidc.provider import CLIENT, SECRET, Provider

PASSWORD = "correct horse battery"  # noqa: S105 - of a test
HASH = PasswordHash.make(PASSWORD)
PEOPLE = {
    "ann": {"sub": "1", "preferred_username": "ann", "groups": ["oncall"]},
    "eve": {"sub": "2", "preferred_username": "eve", "groups": ["<b>sales</b>", "everybody"]},
}


@pytest.fixture(scope="module")
def served() -> Iterator[Provider]:
    """Serve a provider at another site: to a browser localhost is none of 127.0.0.1."""
    with Provider().serving("localhost") as provider:
        yield provider


@pytest.fixture
def provider(served: Provider) -> Provider:
    """Return it as it should be, with its users."""
    served.reset()
    served.people = PEOPLE
    return served


@contextmanager
def locked(stage: Stage, provider: Provider, **more: Any) -> Iterator[str]:
    """Serve a console that has users signed in there, or with a password."""
    oidc = OpenIDConnect(
        issuer=provider.issuer, client_id=CLIENT, client_secret=SECRET, name="Acme", roles={"oncall": "operate"}
    )
    place = serving.listening("127.0.0.1", 0)
    settings = Settings(title="staging", auth=[oidc, Passwords([(HASH, User("root", "admin"))])], **more)
    with beside(stage.url, settings, place):
        yield serving.address(place).rstrip("/") + settings.rules.prefix


@pytest.fixture
def door(stage: Stage, provider: Provider) -> Iterator[str]:
    """Return the address of a console that has users signed in there."""
    with locked(stage, provider) as address:
        yield address


@contextmanager
def guest(chromium: Browser, address: str, provider: Provider, **options: Any) -> Iterator[Visitor]:
    """Open a browser that may go to the provider, and nowhere else."""
    with visiting(chromium, address, **options) as visitor:
        yield visitor
        gone = f"left the origin: {provider.issuer}/"
        visitor.troubles = [one for one in visitor.troubles if not one.startswith(gone)]


def sign_in(page: Page, account: str) -> None:
    """Press the button, and sign in at the provider."""
    page.get_by_role("link", name="Sign in with Acme").click()
    page.get_by_label("Account").fill(account)
    page.get_by_role("button", name="Continue").click()


def test_one_signs_in_goes_where_one_wanted_to_and_signs_out(chromium: Browser, door: str, provider: Provider) -> None:
    """The first page after the return is there at once, with the session; out of the provider, too."""
    with guest(chromium, door, provider) as visitor:
        page = visitor.see("/settings")
        assert page.url.endswith("/login?next=%2Fsettings")
        sign_in(page, "ann")
        expect(page.get_by_role("heading", name="Settings")).to_be_visible()
        expect(page.locator("main")).to_contain_text("with Acme")
        assert page.url == f"{door}/settings"
        page.locator(".rail").get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("link", name="Sign in with Acme")).to_be_visible()
        [ended] = provider.ended
        assert f"{door}/login" == ended["post_logout_redirect_uri"]
        assert 3 == len(ended["id_token_hint"].split("."))
        names = {str(cookie["name"]) for cookie in visitor.context.cookies()}
        assert not [name for name in names if name.startswith(("onebeat_session", "onebeat_signin", "onebeat_id"))]
        assert "account" not in names


def test_who_is_signed_in_there_comes_in_by_one_click(chromium: Browser, door: str, provider: Provider) -> None:
    """In a second tab, to another page, while the first goes on."""
    with guest(chromium, door, provider) as visitor:
        sign_in(visitor.see("/settings"), "ann")
        expect(visitor.page.get_by_role("heading", name="Settings")).to_be_visible()
        visitor.context.clear_cookies(name="onebeat_session_" + door.rpartition(":")[2])
        tabs = [visitor.context.new_page() for _ in range(2)]
        for tab, path in zip(tabs, ("/audit", "/redis"), strict=True):
            tab.goto(f"{door}{path}")
        for tab in reversed(tabs):
            tab.get_by_role("link", name="Sign in with Acme").click()
        expect(tabs[0].get_by_role("heading", name="Audit")).to_be_visible()
        expect(tabs[1].get_by_role("heading", name="Redis", exact=True)).to_be_visible()


def test_back_after_signing_in_does_not_sign_in_again(chromium: Browser, door: str, provider: Provider) -> None:
    """The address with the code is not in the history."""
    with guest(chromium, door, provider) as visitor:
        page = visitor.see("/settings")
        sign_in(page, "ann")
        expect(page.get_by_role("heading", name="Settings")).to_be_visible()
        page.go_back()
        assert "code=" not in page.url
        assert 1 == provider.asked.count("/token")


def test_it_works_below_a_prefix_and_without_script(chromium: Browser, stage: Stage, provider: Provider) -> None:
    """As behind a proxy that keeps it; cookies do not go to what else stands there."""
    with (
        locked(stage, provider, prefix="/ops/jobs") as address,
        guest(chromium, address, provider, java_script_enabled=False) as visitor,
    ):
        page = visitor.page
        page.goto(f"{address}/settings")
        sign_in(page, "ann")
        expect(page.get_by_role("heading", name="Settings")).to_be_visible()
        paths = {str(one["path"]) for one in visitor.context.cookies() if str(one["name"]).startswith("onebeat_")}
        assert {"/ops/jobs/", "/ops/jobs/logout"} == paths
        page.locator("main").get_by_role("button", name="Sign out here").click()
        expect(page.get_by_role("link", name="Sign in with Acme")).to_be_visible()
        assert page.url == f"{address}/login"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1360, 900), NARROW], ids=["wide", "narrow"])
def test_the_login_and_a_user_without_a_role_are_whole(
    chromium: Browser, door: str, provider: Provider, theme: str, size: tuple[int, int]
) -> None:
    """Axe finds nothing, nothing goes beyond the screen; what the provider says is shown as a text."""
    name = f"{theme}-{size[0]}"
    with guest(chromium, door, provider, theme=theme, size=size) as visitor:
        page = visitor.see("/login")
        expect(page.get_by_label("Password")).to_be_visible()
        assert [] == visitor.axe()
        visitor.picture(f"login-oidc-{name}")
        sign_in(page, "eve")
        expect(page.get_by_role("heading", name="No role")).to_be_visible()
        expect(page.locator("main")).to_contain_text("Acme knows you as eve")
        expect(page.locator("dd")).to_have_text("<b>sales</b>, everybody")
        assert [] == visitor.axe()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        visitor.picture(f"no-role-{name}")
        page.get_by_role("link", name="Another account").click()
        page.get_by_label("Account").fill("ann")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_while_the_provider_is_away_passwords_go_on(chromium: Browser, door: str, provider: Provider) -> None:
    """A plain page says so, and leads back to the form."""
    provider.answers["/.well-known/openid-configuration"] = lambda: Response(status_code=500)
    with guest(chromium, door, provider) as visitor:
        visitor.may_fail = True
        page = visitor.see("/login?next=%2Fsettings")
        page.get_by_role("link", name="Sign in with Acme").click()
        expect(page.get_by_role("alert").first).to_contain_text("Acme gives no answer")
        visitor.picture("oidc-away-light")
        page.get_by_role("link", name="Back to the login").click()
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Settings")).to_be_visible()

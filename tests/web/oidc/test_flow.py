"""Signing in with a provider that does all as it should: there, back, and out again."""

from __future__ import annotations

import base64
import json
import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.inspector.inspector import Inspector
from onebeat.web import Grant, Passwords, User, console
from onebeat.web.security.credentials import PasswordHash
from onebeat.web.security.oidc import flows
from tests.web.oidc.conftest import ORIGIN, Visiting, told
from tests.web.oidc.provider import CLIENT, EC, ONE, Provider

PASSWORD = "correct horse battery"  # noqa: S105 - of a test
HASH = PasswordHash.make(PASSWORD)


def cookies(answer: httpx2.Response, start: str) -> list[str]:
    """Return the cookies that an answer sets, by how their names begin."""
    return [cookie for cookie in answer.headers.get_list("set-cookie") if cookie.startswith(start)]


async def test_a_user_signs_in_and_goes_on(visiting: Visiting) -> None:
    """By a page of ours, since the session is kept back as long as a link of another site leads."""
    visitor = visiting()
    answer = await visitor.sign_in("/login/oidc?next=/queue%3Fname%3Da%26b")
    assert (200, "no-referrer") == (answer.status_code, answer.headers["referrer-policy"])
    assert 'content="0;url=/queue?name=a&amp;b"' in answer.text
    assert ("ann", "operate", {}) == await visitor.who()


async def test_the_provider_is_asked_as_the_protocol_says(visiting: Visiting, provider: Provider) -> None:
    """With a challenge, a state and a nonce that are new each time, at the address that it named."""
    visitor = visiting()
    first, second = await visitor.begin(), await visitor.begin()
    asked = parse_qs(urlsplit(first).query)
    assert f"{provider.issuer}/authorize?realm=staff&" == first[: first.index("response_type")]
    assert {
        "realm": ["staff"], "response_type": ["code"], "client_id": [CLIENT], "scope": ["openid profile email"],
        "redirect_uri": [f"{ORIGIN}/login/oidc/callback"], "code_challenge_method": ["S256"],
    } == {name: value for name, value in asked.items() if name not in ("state", "nonce", "code_challenge")}  # fmt: skip
    for name in ("state", "nonce", "code_challenge"):
        [value], [other] = asked[name], parse_qs(urlsplit(second).query)[name]
        assert len(value) >= 43
        assert value != other


async def test_a_sign_in_under_way_is_kept_by_its_browser(visiting: Visiting) -> None:
    """In a cookie that a link of another site brings back, that no script reads, for ten minutes and one path."""
    answer = await visiting().http.get("/login/oidc")
    [cookie] = cookies(answer, "onebeat_signin_")
    assert cookie.endswith("; HttpOnly; Max-Age=600; Path=/login/oidc; SameSite=lax")


async def test_the_session_is_as_every_other(visiting: Visiting) -> None:
    """It is sent by no other site's link, lasts a shift, and the sign-in is over."""
    answer = await visiting().sign_in()
    [session] = cookies(answer, "onebeat_session_8080=")
    assert session.endswith("; HttpOnly; Max-Age=43200; Path=/; SameSite=strict")
    [over] = cookies(answer, "onebeat_signin_")
    assert "Max-Age=0; Path=/login/oidc" in over


async def test_over_https_behind_a_prefix(visiting: Visiting, store: Store, provider: Provider) -> None:
    """The address to come back to is the public one, and cookies are for that path, by https alone."""
    board = console(
        store, auth=told(provider), origins=["https://jobs.example.com"], proxies=["10.0.0.1"], prefix="/ops"
    )
    headers = {"X-Forwarded-Proto": "https", "Host": "10.0.0.7:8080"}
    visitor = visiting(board, peer="10.0.0.1", headers=headers)
    to = await visitor.begin("/ops/login/oidc")
    assert ["https://jobs.example.com/ops/login/oidc/callback"] == parse_qs(urlsplit(to).query)["redirect_uri"]
    kept = "; ".join(re.findall(r"^[^;]+", "\n".join(cookies(await visitor.http.get("/ops/login/oidc"), "__Secure-"))))
    assert kept.startswith("__Secure-onebeat_signin_")


@pytest.mark.parametrize(
    ("host", "origin"),
    [("a.example", "https://a.example"), ("b.example", "https://b.example"), ("10.0.0.7", None)],
)
async def test_of_several_public_addresses_it_is_that_which_is_asked(
    visiting: Visiting, store: Store, provider: Provider, host: str, origin: str | None
) -> None:
    """Where none of them is, it is not guessed."""
    board = console(
        store, auth=told(provider), origins=["https://a.example", "https://b.example"], proxies=["10.0.0.1"]
    )
    visitor = visiting(board, peer="10.0.0.1", headers={"X-Forwarded-Proto": "https", "Host": host})
    answer = await visitor.http.get("/login/oidc")
    if origin is None:
        assert (400, True) == (answer.status_code, "let the proxy keep Host" in answer.text)
    else:
        [back] = parse_qs(urlsplit(answer.headers["location"]).query)["redirect_uri"]
        assert f"{origin}/login/oidc/callback" == back


async def test_an_address_that_is_none_is_told_to_nobody(visiting: Visiting) -> None:
    """As one with a port that there cannot be."""
    assert 400 == (await visiting(headers={"Host": "127.0.0.1:99999"}).http.get("/login/oidc")).status_code


async def test_a_name_that_is_not_ours_is_sent_nowhere(visiting: Visiting) -> None:
    """Who has another name point here gets no address with that name."""
    visitor = visiting(headers={"Host": "evil.example"})
    assert 421 == (await visitor.http.get("/login/oidc")).status_code


async def test_several_tabs_sign_in_at_once(visiting: Visiting, provider: Provider) -> None:
    """Each comes back to where it was going, whichever is first."""
    visitor = visiting()
    tabs = [await visitor.begin(f"/login/oidc?next=/queue%3Fname%3D{number}") for number in range(3)]
    for number in (2, 0, 1):
        answer = await visitor.back(provider.authorize(tabs[number]))
        assert f"0;url=/queue?name={number}" in answer.text


async def test_a_browser_keeps_eight_sign_ins(visiting: Visiting, provider: Provider) -> None:
    """The oldest gives way, so that headers do not grow until nothing is answered."""
    visitor = visiting()
    tabs = [await visitor.begin() for _ in range(flows.AT_ONCE + 4)]
    kept = [cookie for cookie in visitor.http.cookies.jar if cookie.name.startswith("onebeat_signin_")]
    assert flows.AT_ONCE == len(kept)
    assert 200 == (await visitor.back(provider.authorize(tabs[-1]))).status_code


async def test_an_answer_is_taken_once(visiting: Visiting, provider: Provider) -> None:
    """Looking at its address again says so."""
    visitor = visiting()
    address = provider.authorize(await visitor.begin())
    assert [200, 400] == [(await visitor.back(address)).status_code for _ in range(2)]


async def test_another_browser_s_answer_is_not_taken(visiting: Visiting, provider: Provider) -> None:
    """Nobody is signed in as somebody else by a link."""
    mine, theirs = visiting(), visiting()
    address = provider.authorize(await theirs.begin())
    await mine.begin()
    answer = await mine.back(address)
    assert (400, True) == (answer.status_code, "belongs to no sign-in" in answer.text)
    assert await mine.who() is None


async def test_a_sign_in_is_over_after_ten_minutes(
    visiting: Visiting, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the browser still has it."""
    visitor = visiting()
    address = provider.authorize(await visitor.begin())
    monkeypatch.setattr(flows, "LASTS", timedelta(0))
    assert 400 == (await visitor.back(address)).status_code


async def test_where_to_go_on_is_a_page_of_ours(visiting: Visiting) -> None:
    """Whatever stands in the address."""
    for wrong in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        answer = await visiting().sign_in(f"/login/oidc?next={wrong}")
        assert 'content="0;url=/"' in answer.text


@pytest.mark.slow
async def test_the_login_offers_all_ways_side_by_side(visiting: Visiting, store: Store, provider: Provider) -> None:
    """The provider by its name, with where to go on; and the password."""
    board = console(store, auth=[Passwords([(HASH, User("root", "admin"))]), told(provider)])
    visitor = visiting(board, headers={"Origin": ORIGIN})
    answer = await visitor.http.get("/login?next=/errors")
    assert 'href="/login/oidc?next=%2Ferrors">Sign in with Acme</a>' in answer.text
    assert 'type="password"' in answer.text
    await visitor.http.post("/login", data={"name": "root", "password": PASSWORD})
    assert ("root", "admin", {}) == await visitor.who()


async def test_without_passwords_the_login_has_no_form(visiting: Visiting) -> None:
    """And takes none."""
    visitor = visiting(headers={"Origin": ORIGIN})
    answer = await visitor.http.get("/login")
    assert ("Sign in with Acme" in answer.text, "<form" in answer.text) == (True, False)
    assert 405 == (await visitor.http.post("/login", data={"name": "ann", "password": PASSWORD})).status_code
    assert "/login?next=%2Ferrors" == (await visitor.http.get("/errors")).headers["location"]


async def test_who_has_a_name_of_somebody_with_a_password_is_another(
    visiting: Visiting, store: Store, provider: Provider
) -> None:
    """The audit tells them apart, and neither ends sessions of the other."""
    board = console(store, auth=[Passwords([(HASH, User("ann", "admin"))]), told(provider)])
    visitor = visiting(board)
    await visitor.sign_in()
    assert ("ann (Acme)", "operate", {}) == await visitor.who()


async def test_processes_that_are_told_the_same_take_each_others_sign_ins(
    visiting: Visiting, provider: Provider
) -> None:
    """And sessions; what is told otherwise ends them."""
    first, second = visiting(), visiting()
    to = await first.begin()
    second.http.cookies = first.http.cookies
    await second.back(provider.authorize(to))
    first.http.cookies = second.http.cookies
    assert ("ann", "operate", {}) == await first.who()
    changed = visiting(roles={"oncall": "view"})
    changed.http.cookies = first.http.cookies
    assert await changed.who() is None


async def test_grants_are_signed_with_the_rest_of_a_session(visiting: Visiting) -> None:
    """Nobody gives themselves another role."""
    visitor = visiting()
    answer = await visitor.sign_in()
    [cookie] = cookies(answer, "onebeat_session_8080=")
    said, signature = cookie.partition("=")[2].partition(";")[0].split(".")
    session = json.loads(base64.urlsafe_b64decode(said + "=" * (-len(said) % 4)))
    assert "1" == session[-1]
    for grants, expected in (("1", "operate"), ("2", None)):
        changed = json.dumps([*session[:-1], grants], separators=(",", ":")).encode()
        forged = base64.urlsafe_b64encode(changed).decode().rstrip("=")
        other = visiting(headers={"Cookie": f"onebeat_session_8080={forged}.{signature}"})
        who = await other.who()
        assert expected == (who and who[1])


async def test_it_stands_in_the_audit_and_among_the_sessions(visiting: Visiting, store: Store) -> None:
    """As any sign-in does, with its way."""
    visitor = visiting()
    await visitor.sign_in()
    inspector = Inspector(store)
    [record] = (await inspector.audit()).records
    assert ("ann", "operate", "session.begin", "oidc") == (record.user, record.role, record.action, record.about)
    [session] = await inspector.console_sessions()
    assert ("ann", "oidc") == (session.user, session.way)
    await inspector.end_console_sessions("ann")
    assert await visiting().who() is None


async def test_signing_out_goes_to_the_provider(visiting: Visiting, provider: Provider) -> None:
    """With the ID token, which is sent then alone, and back to the login."""
    visitor = visiting(headers={"Origin": ORIGIN})
    answer = await visitor.sign_in()
    [hint] = cookies(answer, "onebeat_id_token_8080=")
    assert hint.endswith("; HttpOnly; Max-Age=43200; Path=/logout; SameSite=strict")
    answer = await visitor.http.post("/logout")
    assert 200 == answer.status_code
    [address] = re.findall(r'content="0;url=([^"]+)"', answer.text)
    asked = parse_qs(urlsplit(address.replace("&amp;", "&")).query)
    assert address.startswith(f"{provider.issuer}/end?client_id=")
    assert ([CLIENT], [f"{ORIGIN}/login"]) == (asked["client_id"], asked["post_logout_redirect_uri"])
    assert hint.partition("=")[2].partition(";")[0] == asked["id_token_hint"][0]
    assert await visitor.who() is None
    assert [] == [cookie.name for cookie in visitor.http.cookies.jar]


async def test_signing_out_where_the_provider_offers_nothing(visiting: Visiting, provider: Provider) -> None:
    """Ends the session here, as it does where the provider is away."""
    provider.says = {"end_session_endpoint": None}
    visitor = visiting(headers={"Origin": ORIGIN})
    await visitor.sign_in()
    answer = await visitor.http.post("/logout")
    assert (303, "/login") == (answer.status_code, answer.headers["location"])
    assert await visitor.who() is None


@pytest.mark.parametrize(("methods", "expected"), [(None, "basic"), (["client_secret_post"], "post")])
async def test_the_client_says_its_secret_as_the_provider_takes_it(
    visiting: Visiting, provider: Provider, methods: list[str] | None, expected: str
) -> None:
    """In the header, unless it takes that of the form alone; whatever characters are in it."""
    provider.says = {"token_endpoint_auth_methods_supported": methods}
    assert 200 == (await visiting().sign_in()).status_code
    assert [expected] == provider.clients


async def test_another_account_can_be_asked_for(visiting: Visiting, provider: Provider) -> None:
    """By the word that the provider knows for it."""
    for prompts, expected in ((None, "select_account"), (["login", "none"], "login")):
        provider.says = {"prompt_values_supported": prompts}
        to = await visiting().begin("/login/oidc?account=other")
        assert [expected] == parse_qs(urlsplit(to).query)["prompt"]


async def test_who_only_looks_what_is_there_signs_nobody_in(visiting: Visiting, provider: Provider) -> None:
    """A HEAD of a link scanner does not use up the code."""
    visitor = visiting()
    address = provider.authorize(await visitor.begin())
    assert 405 == (await visitor.http.head(address)).status_code
    assert 200 == (await visitor.back(address)).status_code


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
async def test_what_the_provider_signs_with_is_believed(visiting: Visiting, provider: Provider, algorithm: str) -> None:
    """Of what it lists, with keys of either kind."""
    provider.algorithm = algorithm
    provider.signing = EC if algorithm == "ES256" else ONE
    provider.keys = [EC] if algorithm == "ES256" else [type(ONE).import_key(ONE.as_dict(private=False, alg=algorithm))]
    if algorithm == "PS256":
        provider.signing = type(ONE).import_key(ONE.as_dict(private=True, alg="PS256"))
    assert 200 == (await visiting().sign_in()).status_code


async def test_a_public_client_proves_itself_by_pkce_alone(
    visiting: Visiting, store: Store, provider: Provider
) -> None:
    """Its sessions are signed with the console's own secret."""
    board = console(store, auth=told(provider, client_secret=""), secret="0123456789abcdef")  # noqa: S106 - of a test
    visitor = visiting(board)
    provider.secret = None
    await visitor.sign_in()
    assert ("ann", "operate", {}) == await visitor.who()
    assert ["public"] == provider.clients


@pytest.mark.slow
async def test_however_many_groups_somebody_is_in_the_session_fits(visiting: Visiting, provider: Provider) -> None:
    """Browsers keep no more than 4 KB, and the console takes less."""
    names = [f"a group with a long name, number {number}" for number in range(1000)]
    provider.person = {"sub": "1", "preferred_username": "ann", "groups": names}
    visitor = visiting(roles=dict.fromkeys(names, "view"))
    await visitor.sign_in()
    assert ("ann", "view", {}) == await visitor.who()


async def test_roles_of_several_groups_count_each_on_its_queues(visiting: Visiting) -> None:
    """Where one allows more, that is allowed; where one hides a queue and another does not, it is seen."""
    visitor = visiting(
        roles={
            "oncall": Grant("view", {"payroll-*": None}),
            "staff": Grant(None, {"payroll-eu": "operate", "mail*": "admin"}),
        }
    )
    await visitor.sign_in()
    assert ("ann", "view", {"mail*": "admin", "payroll-eu": "operate"}) == await visitor.who()

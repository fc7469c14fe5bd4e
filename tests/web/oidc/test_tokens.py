"""What a provider, or who plays one, says wrongly: nobody is signed in by it, and the page says why."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import RSAKey
from starlette.responses import JSONResponse, RedirectResponse, Response

from onebeat.web import OpenIDConnect, console
from onebeat.web.security.oidc import asking
from onebeat.web.security.oidc import provider as providing
from tests.web.oidc.conftest import Visiting, told
from tests.web.oidc.provider import CLIENT, ONE, SECRET, TWO, Later, Provider

HOUR = 3600


@pytest.mark.parametrize(
    ("twisted", "why"),
    [
        ({"nonce": "another"}, "it answers another sign-in"),
        ({"nonce": None}, "it answers another sign-in"),
        ({"nonce": ["x"]}, "it answers another sign-in"),
        ({"iss": "https://evil.example"}, "it is of another issuer"),
        ({"iss": None}, "it is of another issuer"),
        ({"iss": ["https://evil.example"]}, "it is of another issuer"),
        ({"aud": "another"}, "it is for another client"),
        ({"aud": [CLIENT, 3]}, "it is for another client"),
        ({"aud": None}, "it is for another client"),
        ({"aud": [CLIENT, "another"]}, "was not given to this one"),
        ({"aud": [CLIENT, "another"], "azp": "another"}, "was not given to this one"),
        ({"azp": "another"}, "was not given to this one"),
        ({"exp": Later(-120)}, "it has expired: do the clocks"),
        ({"exp": None}, "no time that it is good until"),
        ({"exp": "soon"}, "no time that it is good until"),
        ({"exp": True}, "no time that it is good until"),
        ({"iat": Later(2 * HOUR)}, "do the clocks here and there agree?"),
        ({"iat": Later(-2 * HOUR)}, "do the clocks here and there agree?"),
        ({"iat": None}, "do the clocks here and there agree?"),
        ({"nbf": Later(2 * HOUR)}, "it is not good yet"),
        ({"sub": None}, "it does not say whose it is"),
        ({"sub": ""}, "it does not say whose it is"),
        ({"sub": 7}, "it does not say whose it is"),
        ({"sub": "x" * 256}, "it does not say whose it is"),
    ],
    ids=str,
)
async def test_claims_that_are_not_for_this_sign_in(
    visiting: Visiting, provider: Provider, twisted: dict[str, Any], why: str
) -> None:
    """However well they are signed."""
    provider.twisted = twisted
    visitor = visiting()
    answer = await visitor.sign_in()
    assert (502, True) == (answer.status_code, why in answer.text), answer.text
    assert await visitor.who() is None


@pytest.mark.parametrize(
    "twisted",
    [
        {"aud": [CLIENT]},
        {"aud": [CLIENT, "another"], "azp": CLIENT},
        {"azp": CLIENT},
        {"exp": Later(300.5)},
        {"iat": Later(-30)},
        {"iat": Later(30)},
    ],
    ids=str,
)
async def test_claims_that_may_be_said_otherwise(
    visiting: Visiting, provider: Provider, twisted: dict[str, Any]
) -> None:
    """As lists, with fractions, and by a clock that is half a minute off."""
    provider.twisted = twisted
    assert 200 == (await visiting().sign_in()).status_code


def _claims(claims: dict[str, Any]) -> bytes:
    return json.dumps(claims).encode()


FORGED: dict[str, Callable[[Provider, dict[str, Any]], str]] = {
    "not signed": lambda it, claims: it.raw({"alg": "none"}, _claims(claims)),
    "not signed, with a key's name": lambda it, claims: it.raw({"alg": "none", "kid": "one"}, _claims(claims)),
    "by the public key as a secret": lambda it, claims: it.sealed(
        {"alg": "HS256", "kid": "one"}, _claims(claims), ONE.as_pem(private=False)
    ),
    "by the client's secret": lambda it, claims: it.sealed(
        {"alg": "HS256", "kid": "one"}, _claims(claims), SECRET.encode()
    ),
    "by an algorithm that is not listed": lambda it, claims: it.raw(
        {"alg": "RS384", "kid": "one"}, _claims(claims), RSAKey.import_key(ONE.as_dict(private=True, alg="RS384"))
    ),
    "by another key of that name": lambda it, claims: it.raw(
        {"alg": "RS256", "kid": "one"}, _claims(claims), RSAKey.generate_key(2048, {"kid": "one"})
    ),
    "by a key that it brings along": lambda it, claims: it.raw(
        {"alg": "RS256", "jwk": TWO.as_dict(private=False)}, _claims(claims), TWO
    ),
    "of a list": lambda it, _claims_: it.raw({"alg": "RS256", "kid": "one"}, b"[1]", ONE),
    "of no JSON": lambda it, _claims_: it.raw({"alg": "RS256", "kid": "one"}, b"{", ONE),
    "of deep JSON": lambda it, _claims_: it.raw({"alg": "RS256", "kid": "one"}, b"[" * 60_000, ONE),
    "with a header that it says one has to know": lambda it, claims: it.raw(
        {"alg": "RS256", "kid": "one", "crit": ["new"], "new": 1}, _claims(claims), ONE
    ),
    "cut": lambda it, claims: it.sign(claims)[:-4],
    "encrypted": lambda _it, _claims_: "a.b.c.d.e",
    "nothing": lambda _it, _claims_: "",
    "dots": lambda _it, _claims_: "..",
    "no text that a token is": lambda _it, _claims_: "é.é.é",
}


@pytest.mark.parametrize("forged", FORGED)
async def test_tokens_that_the_provider_has_not_signed(visiting: Visiting, provider: Provider, forged: str) -> None:
    """Or not as it says that it signs, or that are none."""
    provider.forge = lambda claims: FORGED[forged](provider, claims)
    visitor = visiting()
    answer = await visitor.sign_in()
    assert (502, True) == (answer.status_code, "The answer of Acme was not taken" in answer.text)
    assert await visitor.who() is None


async def test_secret_algorithms_are_not_believed_where_nothing_else_is_listed(
    visiting: Visiting, provider: Provider
) -> None:
    """RS256 is what every provider can."""
    provider.says = {"id_token_signing_alg_values_supported": ["HS256", "none"]}
    provider.forge = lambda claims: FORGED["by the client's secret"](provider, claims)
    assert 502 == (await visiting().sign_in()).status_code


async def test_a_rotated_key_is_fetched(
    visiting: Visiting, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once its name is unknown; keys that are known are not asked for again."""
    visitor = visiting()
    for _ in range(2):
        assert 200 == (await visitor.sign_in()).status_code
    assert 1 == provider.asked.count("/keys")
    provider.keys, provider.signing = [ONE, TWO], TWO
    monkeypatch.setattr(providing, "AGAIN_S", 0.0)
    assert 200 == (await visitor.sign_in()).status_code
    assert 2 == provider.asked.count("/keys")


async def test_unknown_keys_are_not_fetched_again_and_again(visiting: Visiting, provider: Provider) -> None:
    """Whoever makes up names of keys makes the console ask no more than once a minute."""
    provider.signing = TWO
    visitor = visiting()
    for _ in range(3):
        answer = await visitor.sign_in()
        assert (502, True) == (answer.status_code, "no key of the provider fits" in answer.text)
    assert 1 == provider.asked.count("/keys")


async def test_keys_that_are_of_no_use_are_left_out(visiting: Visiting, provider: Provider) -> None:
    """Of a kind that is not known, for encryption, too short, secret, or broken; the others count."""
    good = ONE.as_dict(private=False)
    with pytest.warns(SecurityWarning):
        weak = RSAKey.generate_key(1024, {"kid": "one"}, private=False).as_dict(private=False)
    bad: list[Any] = [
        {"kty": "new", "kid": "one"}, {**good, "use": "enc"}, weak, {"kty": "oct", "k": "AAAA", "kid": "one"},
        {"kty": "RSA", "kid": "one"}, {"kty": "EC", "crv": "P-256", "x": 1, "y": [], "kid": "one"}, 3, None,
    ]  # fmt: skip
    provider.answers["/keys"] = lambda: JSONResponse({"keys": [*bad, good]})
    assert 200 == (await visiting().sign_in()).status_code
    provider.answers["/keys"] = lambda: JSONResponse({"keys": bad})
    answer = await visiting().sign_in()
    assert (502, True) == (answer.status_code, "no key in it that is known" in answer.text)


ELSEWHERE: dict[str, Callable[[], Response]] = {
    "elsewhere": lambda: RedirectResponse("http://127.0.0.1:1/", 307),
    "huge": lambda: Response(b'{"a":"' + b"x" * asking.MAX_ANSWER + b'"}', media_type="application/json"),
    "no JSON": lambda: Response("<html>"),
    "a list": lambda: JSONResponse([]),
    "deep": lambda: Response("[" * 100_000),
    "compressed": lambda: Response(b"\x1f\x8b\x08", headers={"Content-Encoding": "gzip"}),
    "not found": lambda: Response(status_code=404),
}


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token", "/userinfo"])
@pytest.mark.parametrize("answer", ELSEWHERE)
async def test_answers_that_are_none(visiting: Visiting, provider: Provider, path: str, answer: str) -> None:
    """Wherever they come: nobody is signed in, nothing is followed, no more is read than fits."""
    provider.told = {}
    provider.person = {"sub": "u-1"}
    provider.answers[path] = ELSEWHERE[answer]
    visitor = visiting()
    if path.startswith("/."):
        found = await visitor.http.get("/login/oidc")
    else:
        found = await visitor.sign_in()
    assert (502, True) == (found.status_code, "The answer of Acme was not taken" in found.text), found.text
    assert await visitor.who() is None


async def test_a_token_is_not_logged(visiting: Visiting, provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    """Though the provider answers in another form than it should."""
    provider.answers["/token"] = lambda: Response("access_token=swordfish&token_type=bearer")
    assert 502 == (await visiting().sign_in()).status_code
    assert "/token answered 200" in caplog.text
    assert "swordfish" not in caplog.text


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys", "/token"])
async def test_a_provider_that_is_away(visiting: Visiting, provider: Provider, path: str) -> None:
    """Is said to be so; when it is back, the same page goes on."""
    provider.answers[path] = lambda: Response("<b>no</b>", status_code=500)
    visitor, address = visiting(), "/login/oidc"
    if not path.startswith("/."):
        address = provider.authorize(await visitor.begin())
    answer = await visitor.back(address)
    assert (503, True, False) == (answer.status_code, "Acme gives no answer" in answer.text, "<b>" in answer.text)
    del provider.answers[path]
    if path == "/keys":  # the code was given back by then
        assert 502 == (await visitor.back(address)).status_code
    elif path == "/token":
        assert 200 == (await visitor.back(address)).status_code
    assert 200 == (await visitor.sign_in()).status_code


async def test_a_provider_that_is_not_there(visiting: Visiting, provider: Provider) -> None:
    """Nobody answers at its port; the login is there all the same."""
    oidc = OpenIDConnect(issuer="http://127.0.0.1:1", client_id=CLIENT, client_secret=SECRET, roles={"a": "view"})
    visitor = visiting(console("redis://127.0.0.1:1", auth=oidc))
    answer = await visitor.http.get("/login/oidc")
    assert (503, True) == (answer.status_code, "127.0.0.1 gives no answer" in answer.text)
    assert 200 == (await visitor.http.get("/login")).status_code


async def test_a_slow_provider_is_not_waited_for_for_ever(
    visiting: Visiting, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even one that has begun to answer."""
    ended = threading.Event()

    def never() -> Response:
        ended.wait(60)
        return JSONResponse({})

    provider.answers["/.well-known/openid-configuration"] = never
    monkeypatch.setattr(asking, "WITHIN_S", 0.05)
    try:
        answer = await visiting().http.get("/login/oidc")
    finally:
        ended.set()
    assert (503, True) == (answer.status_code, "gives no answer" in answer.text)


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ({"issuer": "https://evil.example"}, "to the last slash"),
        ({"issuer": None}, "to the last slash"),
        ({"authorization_endpoint": None}, "authorization_endpoint is no address with https"),
        ({"token_endpoint": "ftp://evil.example"}, "token_endpoint is no address with https"),
        ({"token_endpoint": "http://evil.example/token"}, "token_endpoint is no address with https"),
        ({"jwks_uri": "javascript:alert(1)"}, "jwks_uri is no address with https"),
        ({"authorization_endpoint": "https://a\r\nSet-Cookie: x"}, "authorization_endpoint is no address"),
        ({"end_session_endpoint": "javascript:alert(1)"}, "end_session_endpoint is no address"),
        ({"token_endpoint": ["https://a"]}, "token_endpoint is no address with https"),
    ],
    ids=str,
)
async def test_a_description_that_cannot_be(
    visiting: Visiting, provider: Provider, says: dict[str, Any], why: str
) -> None:
    """Another issuer's, or with addresses that whoever is on the way could answer at."""
    provider.says = says
    answer = await visiting().http.get("/login/oidc")
    assert (502, True) == (answer.status_code, why in answer.text), answer.text


@pytest.mark.parametrize(
    ("error", "status", "sentence"),
    [
        ("access_denied", 403, "Acme did not let you in"),
        ("temporarily_unavailable", 503, "Acme cannot do it now"),
        ("invalid_scope", 502, "see --oidc-scope"),
        ("<script>alert(1)</script>", 502, "gave no reason that is known"),
    ],
)
async def test_an_error_of_the_provider_is_said_in_plain_words(
    visiting: Visiting, provider: Provider, error: str, status: int, sentence: str
) -> None:
    """What it says besides is quoted as a text, in one line that is not long."""
    provider.refuses = {"error": error, "error_description": '<img src=x onerror="x">\r\n' + "y" * 3000}
    answer = await visiting().sign_in()
    assert (status, True) == (answer.status_code, sentence in answer.text)
    assert "&lt;img src=x onerror=" in answer.text
    assert "<img src=x" not in answer.text
    assert "<script>alert" not in answer.text
    assert "y" * 300 not in answer.text


async def test_an_error_that_nobody_asked_for_is_not_repeated(visiting: Visiting) -> None:
    """A link says nothing on our page in somebody's name."""
    answer = await visiting().back("/login/oidc/callback?error=access_denied&error_description=Call+555&state=x")
    assert (400, False) == (answer.status_code, "555" in answer.text)


async def test_an_error_at_the_token_endpoint_is_said_in_plain_words(visiting: Visiting, provider: Provider) -> None:
    """As that the secret is the wrong one."""
    provider.secret = "another"  # noqa: S105 - of a test
    answer = await visiting().sign_in()
    assert (502, True) == (answer.status_code, "its secret is not the right one" in answer.text)


@pytest.mark.parametrize("query", ["", "&code=", f"&code={'x' * 5000}"])
async def test_an_answer_without_a_code(visiting: Visiting, provider: Provider, query: str) -> None:
    """Is none."""
    visitor = visiting()
    address = provider.authorize(await visitor.begin()).replace("code=", "other=")
    assert 502 == (await visitor.back(address + query)).status_code
    assert "/token" not in provider.asked


async def test_the_verifier_is_that_of_the_sign_in(visiting: Visiting, provider: Provider) -> None:
    """A code that was begun elsewhere is of no use here: PKCE."""
    visitor, other = visiting(), visiting()
    theirs = provider.authorize(await other.begin())
    mine = provider.authorize(await visitor.begin())
    code = theirs.partition("code=")[2].partition("&")[0]
    address = mine.replace(mine.partition("code=")[2].partition("&")[0], code)
    answer = await visitor.back(address)
    assert (502, True) == (answer.status_code, "does not take back the code" in answer.text)


@pytest.mark.parametrize(("says", "iss", "status"), [(False, None, 200), (True, None, 502), (False, "https://b", 502)])
async def test_who_answers_may_have_to_say_so(
    visiting: Visiting, provider: Provider, says: bool, iss: str | None, status: int
) -> None:
    """RFC 9207: an answer of another provider is not taken for this one's."""
    provider.says = {"authorization_response_iss_parameter_supported": says}
    more = {} if iss is None else {"iss": iss}
    assert status == (await visiting().sign_in(**more)).status_code
    assert 200 == (await visiting().sign_in(iss=provider.issuer)).status_code


async def test_no_more_sign_in_at_the_same_time_than_is_stated(
    visiting: Visiting, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever makes the console ask the provider does not make it ask without end."""
    monkeypatch.setattr("onebeat.web.security.oidc.door.AT_ONCE", 0)
    answer = await visiting().sign_in()
    assert (429, True) == (answer.status_code, "Too many sign in at the same time" in answer.text)


async def test_secrets_do_not_get_into_the_log(
    visiting: Visiting, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the code, nor tokens, nor what the client is known by."""
    caplog.set_level("DEBUG", logger="onebeat")
    provider.twisted = {"nonce": "another"}
    visitor = visiting()
    address = provider.authorize(await visitor.begin())
    await visitor.back(address)
    said = caplog.text
    assert "nobody was signed in" in said
    for secret in (SECRET, address.partition("code=")[2].partition("&")[0], "eyJ"):
        assert secret not in said
    assert SECRET not in repr(told(provider))

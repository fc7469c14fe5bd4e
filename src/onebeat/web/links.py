"""Addresses of pages: names travel in the query, since proxies decode what stands in a path."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from starlette.requests import Request


def url(request: Request, path: str, **query: object) -> str:
    """
    Return the address of a page for a link, below wherever the console is mounted.

    Args:
        path: Such as "/queue".

        query: What stands after the question mark; None is left out, a list stands once for each item.
    """
    given = {name: value for name, value in query.items() if value is not None}
    words = urlencode(given, doseq=True, quote_via=quote, errors="surrogatepass")
    return f"{root(request)}{path}{f'?{words}' if words else ''}"


def root(request: Request) -> str:
    """Return where the console is mounted, without a slash at the end."""
    return quote(str(request.scope.get("root_path", "")).rstrip("/"), safe="/-._~!$&'()*+,;=:@")


def same(request: Request) -> str:
    """Return the address of the page that is asked for, with its query."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", "")) or "/"
    query = request.url.query
    return f"{root(request)}{quote(path)}{f'?{query}' if query else ''}"

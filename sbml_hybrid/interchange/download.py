"""One file over HTTPS, within bounds of time and size."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from sbml_hybrid import __version__

ATTEMPTS = 3
PAUSE = 1.0  # seconds before the second attempt; twice as long before each further one
LONGEST_PAUSE = 20.0  # seconds, whatever the server asks for
SILENCE = 20.0  # seconds that a server may say nothing
DEADLINE = 300.0  # seconds for a whole file
_CHUNK = 1 << 16
# The repository has moved between these before, and each sends on to the others.
_HOMES = ("biomodels.org", "ebi.ac.uk")
_THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}


class _Refused(Exception):
    """A failure that stays."""


class _Passing(Exception):
    """A failure that may be over at the next attempt, after `pause` seconds if the server said so."""

    def __init__(self, said: str, pause: float | None = None) -> None:
        super().__init__(said)
        self.pause = pause


def download(url: str, limit: int) -> bytes:
    """Return what stands at `url`, at most `limit` bytes of it.

    A busy server, a time-out and a broken connection are tried again.

    Raises
    ------
    FileNotFoundError
        The server says that there is nothing for us; the message has its status.
    ConnectionError
        The server could not be reached, failed, or sent too much, too little or too slowly.
    """
    said = ""
    for attempt in range(ATTEMPTS):
        try:
            _require_safe(url, url)
            return _once(url, limit)
        except _Refused as error:
            raise ConnectionError(str(error)) from None
        except _Passing as error:
            said = f"{error} ({ATTEMPTS} attempts)"
            if attempt < ATTEMPTS - 1:
                time.sleep(min(PAUSE * 2**attempt if error.pause is None else error.pause, LONGEST_PAUSE))
    raise ConnectionError(said)


def _once(url: str, limit: int) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": f"sbml-hybrid/{__version__}"})
    host = urlsplit(url).hostname
    end = time.monotonic() + DEADLINE
    try:
        with urllib.request.build_opener(_Careful).open(request, timeout=SILENCE) as response:
            return _body(response, limit, end, host)
    except urllib.error.HTTPError as error:
        said = f"{host} answered {error.code} {error.reason}"
        if error.code == 429 or error.code >= 500:
            asked = error.headers.get("Retry-After", "")
            raise _Passing(said, float(asked) if asked.isdecimal() else None) from None
        kind = FileNotFoundError if error.code in {400, 401, 403, 404, 410} else ConnectionError
        raise kind(said) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise _Passing(f"{host} does not answer ({reason or type(reason).__name__})") from None


def _body(response: Any, limit: int, end: float, host: str | None) -> bytes:
    """Read in pieces: the length that a server declares may be missing or wrong."""
    pieces, size = [], 0
    while piece := response.read1(_CHUNK):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise _Refused(f"{host} sends more than {limit / 1e6:.0f} MB")
        if time.monotonic() > end:
            raise _Refused(f"{host} takes more than {DEADLINE:.0f} s")
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and size < int(declared):
        raise _Passing(f"{host} broke off after {size} of {declared} bytes")
    return b"".join(pieces)


# -- where to --------------------------------------------------------------------------------------


class _Careful(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        _require_safe(newurl, req.full_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_safe(url: str, before: str) -> None:
    """Refuse what is not HTTPS (but for this machine), and a redirect away from the repository's hosts."""
    to, start = urlsplit(url), urlsplit(before)
    if to.scheme != "https" and not (to.scheme == "http" and to.hostname in _THIS_MACHINE):
        raise _Refused(f"{url} is not an https address")
    at_home = any(to.hostname == home or (to.hostname or "").endswith(f".{home}") for home in _HOMES)
    if to.netloc != start.netloc and not (to.scheme == "https" and at_home):
        raise _Refused(f"{start.hostname} sends on to {to.hostname}, which is not asked")

"""Coming in and going out: password, captcha, code, and back to where the visitor wanted to go."""

from __future__ import annotations

import secrets
import threading

from backhaul.sandbox.office.exchange import Reply, Request, Route, Routes, page_reply, redirect
from backhaul.sandbox.office.faults import Fault, Faults, Moment
from backhaul.sandbox.office.pages import code_page, login_page
from backhaul.sandbox.office.visits import Visit, Visits

LOGIN = "/login"
_CODE = "/login/kode"


class SignIn:
    """The one account of the office, made up at start, and a count of who came in and who was refused."""

    def __init__(self, visits: Visits, faults: Faults) -> None:
        self.username = f"admin-{secrets.token_hex(3)}"
        self.password = secrets.token_urlsafe(12)
        self.code = f"{secrets.randbelow(10**6):06d}"
        self.logins = 0
        self.refused_logins = 0
        self._visits = visits
        self._faults = faults
        self._lock = threading.Lock()

    def routes(self) -> Routes:
        """Return the addresses of the login, the code and the logout."""
        return {
            ("GET", LOGIN): Route(self._show, is_open=True),
            ("POST", LOGIN): Route(self._check, is_open=True),
            ("GET", _CODE): Route(self._show_code, is_open=True),
            ("POST", _CODE): Route(self._check_code, is_open=True),
            ("POST", "/logout"): Route(self._leave),
        }

    def _show(self, request: Request) -> Reply:
        visit = request.visit
        if visit.is_signed_in:
            return redirect("/dashboard")
        visit.has_captcha = bool(self._faults.take(Moment.LOGIN_PAGE, request.path))
        return page_reply(login_page(visit.token, visit.take_message(), visit.has_captcha))

    def _check(self, request: Request) -> Reply:
        visit = request.visit
        if visit.has_captcha:
            visit.message = "Buktikan dahulu bahwa Anda bukan robot."
            return redirect(LOGIN)
        given = (request.fields.get("username", ""), request.fields.get("password", ""))
        if given != (self.username, self.password):
            return self._refuse(visit, "Nama pengguna atau kata sandi salah.", LOGIN)
        if Fault.CODE_STEP in self._faults.take(Moment.PASSWORD, request.path):
            visit.is_half_in = True
            return redirect(_CODE)
        return self._let_in(visit)

    def _show_code(self, request: Request) -> Reply:
        visit = request.visit
        if not visit.is_half_in:
            return redirect(LOGIN)
        return page_reply(code_page(visit.token, visit.take_message()))

    def _check_code(self, request: Request) -> Reply:
        visit = request.visit
        if not visit.is_half_in:
            return redirect(LOGIN)
        if request.fields.get("code") != self.code:
            return self._refuse(visit, "Kode salah.", _CODE)
        return self._let_in(visit)

    def _refuse(self, visit: Visit, message: str, back_to: str) -> Reply:
        with self._lock:
            self.refused_logins += 1
        visit.message = message
        return redirect(back_to)

    def _let_in(self, visit: Visit) -> Reply:
        with self._lock:
            self.logins += 1
        visit.is_signed_in, visit.is_half_in = True, False
        intended, visit.intended = visit.intended, None
        self._visits.renew(visit)
        return redirect(intended or "/dashboard")

    def _leave(self, request: Request) -> Reply:
        request.visit.is_signed_in = False
        self._visits.renew(request.visit)
        return redirect(LOGIN)

"""What can go wrong here, beside what the core raises."""

from __future__ import annotations

from typing import ClassVar

from crm_core.errors import CrmError, InputError, PermissionDeniedError


class SignInError(CrmError):
    """Nobody is signed in, or what was given to sign in will not do."""

    default_code = "web.sign_in"
    http_status: ClassVar[int] = 401


class WrongCredentialsError(SignInError):
    """Login, password or code is wrong; never says which."""

    default_code = "web.sign_in.wrong"


class TooManyAttemptsError(CrmError):
    """Too many attempts from there or for this login; ``details["seconds"]`` says when again."""

    default_code = "web.sign_in.throttled"
    http_status: ClassVar[int] = 429


class WeakPasswordError(InputError):
    """The password would soon be guessed."""

    default_code = "web.password.weak"


class LinkGoneError(SignInError):
    """The link was used, has expired, or never was one."""

    default_code = "web.link.gone"


class WrongCsrfError(PermissionDeniedError):
    """The request did not come from a page of ours."""

    default_code = "web.csrf"

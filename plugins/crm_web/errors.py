"""What can go wrong here, beside what the core raises."""

from __future__ import annotations

from typing import ClassVar

from crm_core.errors import CrmError, InputError, PermissionDeniedError


class SignInError(CrmError):
    """Nobody is signed in, or what was given to sign in will not do."""

    default_code = "web.sign_in"
    http_status: ClassVar[int] = 401


class SessionEndedError(SignInError):
    """Who was signed in is not any more."""

    default_code = "web.session_ended"


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


class NotAdmittedError(SignInError):
    """The provider knows who it is, and they may not sign in here."""

    default_code = "web.oidc.not_admitted"
    http_status: ClassVar[int] = 403


class ProviderError(SignInError):
    """The sign-in provider did not answer as it should, or what came back is not from it."""

    default_code = "web.oidc.refused"


class LinkGoneError(SignInError):
    """The link was used, has expired, or never was one."""

    default_code = "web.link.gone"


class WrongCsrfError(PermissionDeniedError):
    """The request did not come from a page of ours."""

    default_code = "web.csrf"


class RequestError(InputError):
    """The request is not as the API's document says."""

    default_code = "web.api.request"
    http_status: ClassVar[int] = 400


class MediaTypeError(InputError):
    """The body came in a form that is not read here."""

    default_code = "web.api.media_type"
    http_status: ClassVar[int] = 415


class ConditionMissingError(InputError):
    """The request must say which version of the record it means."""

    default_code = "web.api.no_condition"
    http_status: ClassVar[int] = 428


class NobodyError(SignInError):
    """Nobody is signed in with this call of the API."""

    default_code = "web.api.nobody"

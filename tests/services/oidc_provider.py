"""A sign-in provider (OpenID Connect) for tests, made of Authlib's server side.

It asks nobody: whoever comes is the user in ``person``. What it says in its ID tokens can be bent
with ``claims``, to see that what is wrong is refused.
"""

from __future__ import annotations

import threading
import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask, jsonify
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server

CLIENT, SECRET = "crm", "s3cret of the client"


class Client(ClientMixin):
    """The one client."""

    id_token_signed_response_alg = "RS256"

    def __init__(self, provider: OidcProvider) -> None:
        self.provider = provider

    def get_client_id(self) -> str:
        return CLIENT

    def get_default_redirect_uri(self) -> str:
        return self.provider.return_url

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == self.provider.return_url

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


class Code(AuthorizationCodeMixin):
    """What a browser brings back."""

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> int:
        return int(time.time())

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class OidcProvider:
    """The provider, on a port of this machine.

    Attributes:
        issuer: Its name.
        person: What it says of whoever comes: ``sub``, ``email``, ``email_verified``, ``name``.
        claims: What its ID tokens say instead of the truth.
        key: What it signs with.
        published: The key that it publishes.
        return_url: Where it sends browsers back to.
    """

    def __init__(self) -> None:
        self.person: dict[str, Any] = {
            "sub": "1",
            "email": "eleni@example.com",
            "email_verified": True,
            "name": "Eleni",
        }
        self.claims: dict[str, Any] = {}
        self.return_url = "https://crm.example.com/account/oidc/return"
        self.key = self.published = RSAKey.generate_key(2048, {"kid": "1", "alg": "RS256"})
        self._codes: dict[str, Code] = {}
        app = Flask(__name__)
        self._server = make_server("127.0.0.1", 0, self._built(app), threaded=True)
        self.issuer = self.told_issuer = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,)
        )  # ends at once
        self._thread.start()

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def visit(self, url: str) -> dict[str, str]:
        """Go where a browser is sent, and return what it brings back."""
        answer = requests.get(url, allow_redirects=False, timeout=60)
        assert answer.status_code == 302, answer.text
        return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))

    def _built(self, app: Flask) -> Flask:
        server = AuthorizationServer(
            app, lambda client_id: Client(self) if client_id == CLIENT else None, lambda *_: None
        )
        server.register_grant(
            self._grant(), [self._openid()(require_nonce=True), CodeChallenge(required=True)]
        )

        @app.get("/authorize")
        def authorize() -> Any:
            grant = server.get_consent_grant(end_user=self)
            return server.create_authorization_response(grant_user=self, grant=grant)

        @app.post("/token")
        def token() -> Any:
            return server.create_token_response()

        @app.get("/keys")
        def keys() -> Any:
            return jsonify(KeySet([self.published]).as_dict(private=False))

        @app.get("/.well-known/openid-configuration")
        def metadata() -> Any:
            return {
                "issuer": self.told_issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
            }

        return app

    def _grant(provider) -> type[AuthorizationCodeGrant]:  # noqa: N805  self is the grant's
        class Grant(AuthorizationCodeGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

            def save_authorization_code(self, code: str, request: Any) -> None:
                data = request.payload.data
                provider._codes[code] = Code(
                    code=code,
                    redirect_uri=request.payload.redirect_uri,
                    scope=request.payload.scope,
                    nonce=data.get("nonce"),
                    code_challenge=data.get("code_challenge"),
                    code_challenge_method=data.get("code_challenge_method"),
                )

            def query_authorization_code(self, code: str, client: Any) -> Code | None:
                return provider._codes.get(code)

            def delete_authorization_code(self, authorization_code: Code) -> None:
                del provider._codes[authorization_code.code]

            def authenticate_user(self, authorization_code: Code) -> OidcProvider:
                return provider

        return Grant

    def _openid(provider) -> type[OpenIDCode]:  # noqa: N805  self is the extension's
        class OpenID(OpenIDCode):
            def exists_nonce(self, nonce: str, request: Any) -> bool:
                return False

            def resolve_client_private_key(self, client: Any) -> RSAKey:
                return provider.key

            def get_client_claims(self, client: Any) -> dict[str, Any]:
                now = int(time.time())
                return {"iss": provider.issuer, "aud": [CLIENT], "iat": now, "exp": now + 300}

            def generate_user_info(self, user: Any, scope: str) -> UserInfo:
                return UserInfo({**provider.person, **provider.claims})

        return OpenID

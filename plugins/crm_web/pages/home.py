"""The first page: what needs me today."""

from __future__ import annotations

from crm_core.messages import t
from crm_web.sdk.pages import ANYBODY, Menu, Pages
from crm_web.sdk.request import Request

pages = Pages("home", __name__, title="Home", prefix="/")


@pages.get("/", right=ANYBODY, menu=Menu(t("My day"), icon="home", position=10))
def home(request: Request) -> str:
    """Show what needs the viewer first."""
    return request.render("web/home.html")

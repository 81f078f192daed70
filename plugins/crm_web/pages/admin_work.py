"""What goes on in the background: jobs of plugins, deliveries of events, mail."""

from __future__ import annotations

from uuid import UUID

from werkzeug.wrappers import Response

from crm_core.channels import FAILURES, Mail, mail_server, reason_of, send_mail
from crm_core.entities.outbox import DELIVERY_VIEW
from crm_core.entities.user import User
from crm_core.ids import new_id
from crm_core.messages import n, say, t
from crm_core.plugins.activation import MANAGE as MANAGE_PLUGINS
from crm_core.plugins.jobs import ask_for_job, list_jobs
from crm_core.services.deliveries import (
    MANAGE,
    drop_delivery,
    list_deliveries,
    retry_dead,
    retry_delivery,
)
from crm_core.services.mail import MANAGE as MANAGE_MAIL
from crm_core.services.mail import VIEW as VIEW_MAIL
from crm_core.services.mail import list_mail, retry_mail
from crm_core.services.workers import last_sign
from crm_web.sdk.pages import Menu, Pages
from crm_web.sdk.request import Request

pages = Pages("admin_work", __name__, title="Background work", prefix="/admin/work")
GREATEST = 2**63 - 1
STATES = ("dead", "pending", "dropped", "done")
SHOWN = 50


@pages.get(
    "/", right=MANAGE_PLUGINS, menu=Menu(t("Background work"), "clock", "admin", position=60)
)
def jobs(request: Request) -> str:
    """List the jobs of plugins and how each went last."""
    found = list_jobs(request.uow, request.application.plugins.jobs)
    return request.render("web/admin/jobs.html", jobs=found, sign=last_sign(request.uow))


@pages.post("/jobs/<name>", right=MANAGE_PLUGINS)
def run_job(request: Request, name: str) -> Response:
    """Have a job done at the worker's next round."""
    if name in request.application.plugins.jobs:
        ask_for_job(request.uow, name)
    said = t("{name} is done at the worker's next round.", name=name)
    return request.done(said, to="admin_work.jobs")


@pages.get("/deliveries", right=DELIVERY_VIEW)
def deliveries(request: Request) -> str:
    """List what events were handed to, by state."""
    state = request.args.get("state", "")
    page = list_deliveries(
        request.uow,
        state=state if state in STATES else None,
        handler=request.args.get("handler") or None,
        limit=SHOWN,
        cursor=request.args.get("cursor"),
    )
    return request.render("web/admin/deliveries.html", page=page, state=state, states=STATES)


@pages.post(f"/deliveries/<int(max={GREATEST}):delivery_id>", right=MANAGE)
def settle(request: Request, delivery_id: int) -> Response:
    """Have one delivery tried again, or leave it out for good."""
    if request.form.get("what") == "drop":
        drop_delivery(request.uow, delivery_id)
        return request.back(t("Left out for good."), otherwise="admin_work.deliveries")
    retry_delivery(request.uow, delivery_id)
    return request.back(t("It is tried again."), otherwise="admin_work.deliveries")


@pages.post("/deliveries", right=MANAGE)
def retry_all(request: Request) -> Response:
    """Have all deliveries that were given up tried again."""
    number = retry_dead(request.uow)
    said = n("{count} is tried again.", "{count} are tried again.", number)
    return request.done(said, to="admin_work.deliveries")


@pages.get("/mail", right=VIEW_MAIL)
def mail(request: Request) -> str:
    """List mail that waits or was sent of late."""
    page = list_mail(request.uow, limit=SHOWN, cursor=request.args.get("cursor"))
    config = request.application.config
    return request.render("web/admin/mail.html", page=page, host=config.smtp_host)


@pages.post("/mail/<uuid:post_id>", right=MANAGE_MAIL)
def send_again(request: Request, post_id: UUID) -> Response:
    """Have a mail that waits sent at once."""
    retry_mail(request.uow, post_id)
    return request.done(t("It is sent at the worker's next round."), to="admin_work.mail")


@pages.post("/mail", right=MANAGE_MAIL)
def send_test(request: Request) -> Response:
    """Send a test mail to oneself, and say whether it arrived at the mail server."""
    assert request.viewer is not None
    address = request.uow.get(User, request.viewer.user_id).email
    now, config = request.uow.now, request.application.config
    if not address:
        request.notices.append(("bad", t("You have no mail address: have one set first.")))
        return request.to("admin_work.mail")
    about, text = t("Test"), t("This mail was sent to see whether mail arrives. It does.")
    told = Mail(str(new_id()), address, say(about), say(text), now)

    def send() -> None:  # once nothing is held any more: a mail server may take its time
        try:
            send_mail(mail_server(config), told)
        except FAILURES as error:
            request.notices.append(("bad", reason_of(error)))
        else:
            request.notices.append(("done", t("A mail went to {address}.", address=address)))

    request.after_commit.append(send)
    return request.to("admin_work.mail")

"""``crm sales quote send`` and what follows: links, documents, and answers given by word."""

from __future__ import annotations

from pathlib import Path

import click

from crm_core.cli.context import Context, pass_context
from crm_core.cli.grammar import CrmCommand
from crm_core.messages import n, t
from crm_sales.cli.quotes import tell


@click.command(cls=CrmCommand)
@click.argument("quote")
@click.option(
    "--channel",
    type=click.Choice(["email", "link", "post"]),
    default="email",
    show_default=True,
    help="link to pass on yourself, post for what goes out on paper.",
)
@click.option("--to", metavar="ADDRESS", help="The contact's or the customer's by default.")
@pass_context
def send(context: Context, /, *, quote: str, channel: str, to: str | None) -> None:
    """Send a QUOTE to its customer, or send it once more."""
    from crm_sales.services.quote_documents.offer import document_of
    from crm_sales.services.quote_sending import send_quote
    from crm_sales.services.quotes.reading import resolve_quote_id

    with context.unit_of_work() as uow:
        quote_id = resolve_quote_id(uow, quote)
        document = document_of(uow, quote_id)
    with context.unit_of_work(write=True) as uow:
        sent = send_quote(uow, quote_id, channel=channel, to=to, document=document)
        uow.commit()
    out = context.output
    data = {"id": quote_id, "number": sent.quote.number, "to": sent.address, "link": sent.link}

    def draw() -> None:
        if sent.address:
            told = t("{number} is on its way to {to}.", number=sent.quote.number, to=sent.address)
            out.line(told)
        if sent.link:
            out.line(t("Its page: {link}", link=sent.link))
        if sent.link is None:
            out.line(
                t("{number} counts as sent: see crm sales quote pdf.", number=sent.quote.number)
            )

    out.data("sales.quote.send/1", data, draw)


@click.command(cls=CrmCommand)
@click.argument("quote")
@pass_context
def link(context: Context, /, *, quote: str) -> None:
    """Make another link to a QUOTE that was sent; those before stay good."""
    from crm_sales.services.quote_links import make_link
    from crm_sales.services.quotes.reading import resolve_quote_id

    with context.unit_of_work(write=True) as uow:
        quote_id = resolve_quote_id(uow, quote)
        _, address = make_link(uow, quote_id)
        uow.commit()
    data = {"id": quote_id, "link": address}
    context.output.data("sales.quote.link/1", data, lambda: context.output.line(address))


@click.command(cls=CrmCommand, name="revoke-link")
@click.argument("quote")
@pass_context
def revoke_link(context: Context, /, *, quote: str) -> None:
    """Have no link to a QUOTE be good any more."""
    from crm_sales.services.quote_links import revoke_links
    from crm_sales.services.quotes.reading import resolve_quote_id

    with context.unit_of_work(write=True) as uow:
        quote_id = resolve_quote_id(uow, quote)
        count = revoke_links(uow, quote_id)
        uow.commit()
    told = n("{count} link is no good any more.", "{count} links are no good any more.", count)
    data = {"id": quote_id, "revoked": count}
    context.output.data("sales.quote.revoke-link/1", data, lambda: context.output.line(told))


@click.command(cls=CrmCommand)
@click.argument("quote")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Where to write it; by its number into this folder by default.",
)
@pass_context
def pdf(context: Context, /, *, quote: str, out: Path | None) -> None:
    """Write the document of a QUOTE: the one that was sent, or how it would look now."""
    from crm_sales.services.quote_documents.offer import document_of
    from crm_sales.services.quotes.reading import resolve_quote_id

    with context.unit_of_work() as uow:
        document = document_of(uow, resolve_quote_id(uow, quote))
    path = (out or Path(document.file_name)).absolute()
    path.write_bytes(document.content)
    data = {"id": document.quote_id, "path": str(path), "size_bytes": len(document.content)}
    told = t("Written: {path}", path=path)
    context.output.data("sales.quote.pdf/1", data, lambda: context.output.line(told))


@click.command(cls=CrmCommand)
@click.argument("quote")
@click.option("--by", "signed_by", required=True, metavar="NAME", help="Who accepts.")
@click.option("--take", "taken", multiple=True, metavar="LINE", help="Position of a choice taken.")
@click.option("--note", metavar="TEXT", help="What they said to it.")
@pass_context
def accept(
    context: Context, /, *, quote: str, signed_by: str, taken: tuple[str, ...], note: str | None
) -> None:
    """Write down that the customer of a QUOTE accepts it; without --take as it stands."""
    from crm_sales.services.quote_answers import accept_quote
    from crm_sales.services.quote_choices import lines_at
    from crm_sales.services.quotes.reading import resolve_quote_id

    with context.unit_of_work(write=True) as uow:
        quote_id = resolve_quote_id(uow, quote)
        chosen = lines_at(uow, quote_id, taken) if taken else None
        done = accept_quote(uow, quote_id, signed_by=signed_by, chosen=chosen, note=note)
        uow.commit()
    tell(context, "accept", done, t("Accepted: {number}", number=done.number))


@click.command(cls=CrmCommand)
@click.argument("quote")
@click.option("--by", "signed_by", required=True, metavar="NAME", help="Who refuses.")
@click.option("--reason", required=True, metavar="TEXT", help="Why.")
@pass_context
def decline(context: Context, /, *, quote: str, signed_by: str, reason: str) -> None:
    """Write down that the customer of a QUOTE refuses it."""
    from crm_sales.services.quote_answers import refuse_quote
    from crm_sales.services.quotes.reading import resolve_quote_id

    with context.unit_of_work(write=True) as uow:
        quote_id = resolve_quote_id(uow, quote)
        done = refuse_quote(uow, quote_id, signed_by=signed_by, reason=reason)
        uow.commit()
    tell(context, "decline", done, t("Refused: {number}", number=done.number))


PARTS = (send, link, revoke_link, pdf, accept, decline)

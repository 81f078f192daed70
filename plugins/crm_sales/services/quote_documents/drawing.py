"""From a page in HTML to a PDF: with the fonts and pictures that it is given, and nothing else.

Nothing is fetched, from this machine or another: what a text from outside names stays a text.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from crm_core.errors import ConfigurationError
from crm_core.messages import t
from crm_sales.services.quote_documents.fonts import Face

FAMILY = "Document"
INSTALL = "pip install 'crm-front-office[sales]'"
LIBRARIES = "libpango-1.0-0 libpangoft2-1.0-0"


def draw_pdf(html: str, css: str, fonts: Sequence[Face], files: Mapping[str, bytes]) -> bytes:
    """Return the PDF of a page: the same for the same arguments.

    Args:
        html: The page.
        css: Its style; text without a font of its own is set in ``fonts``.
        fonts: What it is set in.
        files: Pictures by the address that the page names them by, such as ``crm:logo``.

    Raises:
        ConfigurationError: The library that draws is missing, or the page names what is not among
            ``files``.
    """
    weasyprint = library()
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import FatalURLFetchingError

    rules, letters = _font_rules(fonts)
    fetcher, config = _fetcher({**files, **letters}), FontConfiguration()
    sheet = weasyprint.CSS(string="\n".join([*rules, css]), url_fetcher=fetcher, font_config=config)
    identifier = hashlib.sha256(f"{html}{css}".encode()).digest()[:16]
    page = weasyprint.HTML(string=html, url_fetcher=fetcher)
    try:
        content: bytes = page.write_pdf(
            stylesheets=[sheet], font_config=config, pdf_identifier=identifier, pdf_tags=True
        )
    except FatalURLFetchingError as error:  # a BaseException, which nobody else would catch
        raise ConfigurationError(
            t("The document cannot be made: {reason}.", reason=error),
            code="sales.document.foreign",
        ) from None
    return content


def _font_rules(fonts: Sequence[Face]) -> tuple[list[str], dict[str, bytes]]:
    """Return the rules that name the fonts, in the order they are asked, and their addresses."""
    rules, known, families = [], {}, [FAMILY]
    for number, face in enumerate(fonts):
        address, family = f"crm:font/{number}", FAMILY
        if face.is_further:
            family = f"{FAMILY} {number}"
            families.append(family)
        known[address] = face.content
        rules.append(
            f'@font-face {{ font-family: "{family}"; src: url("{address}"); '
            f"font-weight: {'bold' if face.is_bold else 'normal'}; }}"
        )
    named = ", ".join(f'"{family}"' for family in families)
    rules.append(f"html {{ font-family: {named}; }}")
    return rules, known


def library() -> Any:
    """Return the library that draws.

    Raises:
        ConfigurationError: It is not installed, or what it needs of the system is not.
    """
    try:
        import weasyprint
    except ImportError:
        raise ConfigurationError(
            t("Documents need the library WeasyPrint: {install}.", install=INSTALL),
            code="sales.document.library",
        ) from None
    except OSError as error:  # its own text names the library that is missing
        raise ConfigurationError(
            t(
                "Documents need Pango, which this machine lacks ({reason}): install it, on Debian "
                "with apt-get install {libraries}.",
                reason=str(error).splitlines()[0][:120],
                libraries=LIBRARIES,
            ),
            code="sales.document.library",
        ) from None
    return weasyprint


def _fetcher(known: Mapping[str, bytes]) -> Any:
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class OnlyGiven(URLFetcher):  # type: ignore[misc, unused-ignore]
        """Knows what it was given; whatever else a page names stops the drawing."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            if url not in known:
                raise ValueError(url)
            return URLFetcherResponse(url, known[url])

    return OnlyGiven(fail_on_errors=True)

import threading
from werkzeug.serving import make_server
from playwright.sync_api import sync_playwright
from sqlalchemy import update
from crm_sales.models import Quote
from crm_core.messages import LANGUAGES
from crm_sales.services.quote_sending import send_quote
from crm_sales.services.quotes.lines import add_line
from crm_sales.services.quotes.editing import edit_quote
from crm_core.testing.factories import make_customer
from crm_sales.services.quote_documents.offer import document_of
import pypdfium2

def test_shots(office, offers, offer, web):
    d = web("employee").get(f"/sales/sending/{offer.id}/document")
    print("DOC", d.status, d.words[:300] if d.status != 200 else "")
    offers.act(add_line, offer.id, kind="section", description="Furniture for the shop")
    offers.line(offer.id, offers.product("VITRINE", "1234.5"), quantity="3", tax_percent="13", discount_percent="5", description="Βιτρίνα δρυός, 2 m\nμε φωτισμό LED και κλειδαριά")
    offers.act(add_line, offer.id, kind="note", description="Delivered and set up on a working day.")
    offers.act(edit_quote, offer.id, {"terms": "Payment within 30 days.\nPrices hold until the day named above."})
    sent = offers.act(send_quote, offer.id, channel="link")
    pdf = office.read(lambda uow: document_of(uow, offer.id)).content
    pypdfium2.PdfDocument(pdf)[0].render(scale=1.5).to_pil().save("/tmp/d2_real.png")
    server = make_server("127.0.0.1", 8177, office.app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    path = "/sales/offer/" + sent.link.rpartition("/")[2]
    token = office.known.tokens["employee"]
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        def shot(name, w, theme, where=path, cookie=False):
            c = b.new_context(viewport={"width": w, "height": 800}, color_scheme=theme)
            if cookie:
                c.add_cookies([{"name": "crm_session", "value": token, "url": "http://127.0.0.1:8177"}])
            pg = c.new_page()
            pg.on("console", lambda m: print("console", m.type, m.text))
            pg.goto("http://127.0.0.1:8177" + where)
            pg.wait_for_timeout(400)
            if name == "light":
                pg.check("input[type=checkbox][name=chosen]")
                pg.wait_for_timeout(900)
                print("TOTAL", pg.inner_text("dd.whole"), pg.locator("form[method=post] input[name=chosen]").count())
            pg.screenshot(path=f"/tmp/d2_page_{name}.png", full_page=True)
            print(name, pg.evaluate("document.documentElement.scrollWidth"), w)
            c.close()
        shot("light", 1280, "light")
        shot("phone", 360, "dark")
        shot("desk", 1280, "light", f"/sales/quotes/{offer.id}", True)
        shot("deskphone", 360, "dark", f"/sales/quotes/{offer.id}", True)
        office.write(lambda uow: uow.execute(update(Quote).values(language="fa")))
        shot("fa", 1280, "light")
        b.close()
    server.shutdown()

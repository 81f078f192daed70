"""Serve the pages of the order story from a test office and take pictures."""
import sys, threading, shutil
from pathlib import Path
import pytest
sys.path.insert(0, "/work/main/tests/services")

def test_shots(shop, office, web, accepted):
    from tests.crm_sales.orders.test_orders import EQUAL
    shop.run()
    [row] = shop.sheet("sales_order")
    theirs = {**EQUAL, "tax_amount": "0.01", "total_amount": "72.81"}
    shop.answer("sales_order", row["id"], number="SO1", state="draft", currency="EUR", **theirs)
    shop.run()
    from werkzeug.serving import make_server
    server = make_server("127.0.0.1", 8177, office.app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    from playwright.sync_api import sync_playwright
    cookie = web("manager").client.get_cookie
    from crm_web.opening import COOKIE
    token = web("manager").cookie
    deal = f"/sales/deals/{shop.quote(accepted).opportunity_id}"
    quote = f"/sales/quotes/{accepted}"
    with sync_playwright() as p:
        b = p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, path, w, dark in (("deal", deal, 1280, "light"), ("quote", quote, 360, "dark")):
            c = b.new_context(viewport={"width": w, "height": 1400}, color_scheme=dark)
            c.add_cookies([{"name": COOKIE, "value": token, "url": "http://127.0.0.1:8177"}])
            pg = c.new_page(); pg.goto("http://127.0.0.1:8177" + path, timeout=60000)
            pg.screenshot(path=f"/tmp/e_work/{name}.png", full_page=True)
        b.close()
    server.shutdown()

import pytest
def test_read(odoo_db):
    bot = odoo_db.rpc()
    assert bot.count("res.partner") > 250
    assert bot.count("account.payment") > 50
    with pytest.raises(Exception, match="AccessError"):
        odoo_db.rpc(odoo_db.plain).count("account.payment")
    with pytest.raises(Exception, match="AccessError"):
        bot.create("res.partner", [{"name": "x"}])
def test_fresh(fresh_odoo_db, admin_rpc):
    a = admin_rpc(fresh_odoo_db)
    i = a.ref("crm_seed.company_001")
    a.write("res.partner", [i], {"name": "changed"})
    assert a.rows("res.partner", [("id", "=", i)], ["name"])[0]["name"] == "changed"
def test_stopped(stopped_odoo):
    import urllib.request, urllib.error
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(stopped_odoo.url, timeout=5)
def test_after(odoo_db):
    assert odoo_db.rpc().count("sale.order") > 100
def test_wrong(odoo_db):
    from odoo_rpc import OdooAdmin
    for _ in range(12):
        with pytest.raises(PermissionError):
            OdooAdmin(odoo_db.url, odoo_db.name, "admin", "wrong")

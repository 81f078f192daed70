"""Finding customers by name, e-mail, phone, VAT or reference, in any script, on both databases.

``fold`` makes spellings equal, ``index`` keeps one entry a customer, ``query`` turns what people
type into conditions on the entries. The service on top is ``crm_core.services.search``.
"""

"""What pages read, written by hand: the floor of ``bench/web.py``."""

HOME = """
SELECT a.id, a.summary, a.type, a.due_at, a.version, c.id, c.name, u.name
FROM core_activity a JOIN core_customer c ON c.id = a.customer_id
JOIN core_user u ON u.id = a.owner_id
WHERE a.owner_id = :user AND a.is_open AND a.due_at < :tomorrow ORDER BY a.due_at LIMIT 50;
SELECT count(*) FROM core_activity WHERE owner_id = :user AND is_open AND due_at < :tomorrow
"""
LIST = """
SELECT c.id, c.version, c.name, c.stage, c.updated_at, u.name,
    (SELECT a.city FROM core_address a WHERE a.customer_id = c.id AND a.use = 'main'
     AND a.archived_at IS NULL LIMIT 1),
    (SELECT p.value FROM core_contact_point p WHERE p.customer_id = c.id AND p.kind = 'email'
     ORDER BY p.position LIMIT 1),
    (SELECT p.value FROM core_contact_point p WHERE p.customer_id = c.id AND p.kind = 'phone'
     ORDER BY p.position LIMIT 1)
FROM core_customer c LEFT JOIN core_user u ON u.id = c.owner_id
WHERE c.archived_at IS NULL ORDER BY c.name, c.id LIMIT 51;
SELECT count(*) FROM (SELECT 1 FROM core_customer WHERE archived_at IS NULL LIMIT 10001) AS few
"""
FOUND = """
SELECT c.id, c.name, c.kind, c.reference, c.vat, (SELECT a.city FROM core_address a
    WHERE a.customer_id = c.id AND a.use = 'main' AND a.archived_at IS NULL LIMIT 1)
FROM core_customer c JOIN core_search_entry e ON e.customer_id = c.id
"""
SEARCH = {
    "sqlite": FOUND
    + "JOIN core_search_words w ON w.rowid = e.position WHERE core_search_words MATCH :words "
    "ORDER BY e.name_key LIMIT 51",
    "postgresql": FOUND + "WHERE e.words LIKE :like ORDER BY e.name_key LIMIT 51",
}

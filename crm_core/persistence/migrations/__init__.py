"""The core's revisions, and the one Alembic environment that core and plugins share.

Only developers need this text; everybody else calls ``crm_core.persistence.migrate``.

Revision ids are numbers with leading zeros in one straight line, and a file's name begins with its
id (``0002_customer_birthday.py``): so what a version of the product knows can be read off a folder
without loading Alembic.

Until the first release there is one revision, made anew from the mapped classes whenever they
change::

    python -m crm_core.persistence.migrations.authoring initial

From then on each change is a revision of its own, made from the difference between the mapped
classes and the revisions so far, and then read and corrected by a person::

    python -m crm_core.persistence.migrations.authoring revision -m "customer birthday"

A plugin adds ``--plugin NAME --prefix PREFIX_ --folder FOLDER --models MODULE``.
"""

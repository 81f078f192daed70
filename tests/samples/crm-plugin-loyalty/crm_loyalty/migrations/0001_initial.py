"""initial."""

import sqlalchemy as sa
from alembic import op
from crm_core.persistence import types

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "loyalty_steward",
        sa.Column("id", types.Key(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("user_id", types.Key(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["core_user.id"],
            name=op.f("fk_loyalty_steward_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loyalty_steward")),
        sa.UniqueConstraint("tag", name=op.f("uq_loyalty_steward_tag")),
    )
    op.create_index(
        op.f("ix_loyalty_steward_user_id"), "loyalty_steward", ["user_id"], unique=False
    )
    op.create_table(
        "loyalty_card",
        sa.Column("id", types.Key(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("customer_id", types.Key(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=True),
        sa.Column("ended_at", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.CheckConstraint("points >= 0", name=op.f("ck_loyalty_card_points_not_negative")),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["core_customer.id"],
            name=op.f("fk_loyalty_card_customer_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loyalty_card")),
        sa.UniqueConstraint("number", name=op.f("uq_loyalty_card_number")),
    )
    op.create_index(
        op.f("ix_loyalty_card_customer_id"),
        "loyalty_card",
        ["customer_id"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        op.f("ix_loyalty_card_customer_id_id"), "loyalty_card", ["customer_id", "id"], unique=False
    )
    op.create_index(
        op.f("ix_loyalty_card_expires_on"), "loyalty_card", ["expires_on"], unique=False
    )
    op.create_table(
        "loyalty_entry",
        sa.Column("id", types.Key(), nullable=False),
        sa.Column("card_id", types.Key(), nullable=False),
        sa.Column("points", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["card_id"],
            ["loyalty_card.id"],
            name=op.f("fk_loyalty_entry_card_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loyalty_entry")),
    )
    op.create_index(
        op.f("ix_loyalty_entry_card_id_id"), "loyalty_entry", ["card_id", "id"], unique=False
    )


def downgrade() -> None:
    op.drop_index(op.f("ix_loyalty_entry_card_id_id"), table_name="loyalty_entry")
    op.drop_table("loyalty_entry")
    op.drop_index(op.f("ix_loyalty_card_expires_on"), table_name="loyalty_card")
    op.drop_index(op.f("ix_loyalty_card_customer_id_id"), table_name="loyalty_card")
    op.drop_index(
        op.f("ix_loyalty_card_customer_id"),
        table_name="loyalty_card",
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.drop_table("loyalty_card")
    op.drop_index(op.f("ix_loyalty_steward_user_id"), table_name="loyalty_steward")
    op.drop_table("loyalty_steward")

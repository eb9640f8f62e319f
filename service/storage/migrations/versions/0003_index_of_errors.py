"""An index of the rows that have an error."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "ix_job_items_error",
        "job_items",
        ["job_seq", "number"],
        sqlite_where=sa.text("error <> ''"),
        postgresql_where=sa.text("error <> ''"),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_job_items_error", "job_items")

"""The platform's reference of a lead."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("leads") as batch_op:
        batch_op.add_column(sa.Column("reference", sa.String(length=200), nullable=False, server_default=""))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("leads") as batch_op:
        batch_op.drop_column("reference")

"""The documents of jobs that are still to be read, and how much text those read have."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "job_files",
        sa.Column("job_seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job_seq"], ["jobs.seq"]),
        sa.PrimaryKeyConstraint("job_seq", "number"),
    )
    op.add_column("jobs", sa.Column("chars_read", sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Undo."""
    op.drop_column("jobs", "chars_read")
    op.drop_table("job_files")

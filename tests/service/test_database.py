"""What holds of the database whatever the service does with it."""

import pytest
from sqlalchemy import text

from service.storage.database import Database


def test_a_connection_in_use_is_closed_once_it_is_let_go_of(settings):
    database = Database(settings.database())
    with database.session() as session:
        held = session.connection().connection.dbapi_connection
        database.close()
        assert session.scalar(text("SELECT 1")) == 1
    with pytest.raises(Exception, match="closed"):
        held.execute("SELECT 1")

"""What the service keeps: screenings, documents, jobs, leads, keys and the audit log, in SQLite or PostgreSQL."""

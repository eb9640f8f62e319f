"""Batch screening as durable jobs: DBOS runs the steps, our tables hold rows and results."""

"""What a process imports that writes to MLflow.

Nothing here opens a store, as SQLite's connections must not be inherited.
"""

from importlib import import_module

for name in (
    "support.tracked_study",  # first: it tells MLflow to stay off the network
    "mlflow.store.tracking.sqlalchemy_store",  # MLflow imports these when it opens a store
    "mlflow.store.workspace.utils",
    "sqlalchemy.dialects.sqlite",
    "alembic.command",
):
    import_module(name)

from tests.unit.warehouse.conftest import db, path

__all__ = ["db", "path"]

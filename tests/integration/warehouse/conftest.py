from tests.unit.warehouse.conftest import db, new_path, path

__all__ = ["db", "new_path", "path"]

"""Which model? Cross-validation and grids, with everything fitted inside each fold."""

from kerasdl.selection.grid import GridSearch, grid_search
from kerasdl.selection.judging import FoldsLost
from kerasdl.selection.validation import CrossValidation, cross_validate, log_rmse

__all__ = ["CrossValidation", "FoldsLost", "GridSearch", "cross_validate", "grid_search", "log_rmse"]

"""Which model? Cross-validation and grids, with everything fitted inside each fold."""

from kerasdl.selection.validation import CrossValidation, cross_validate, log_rmse

__all__ = ["CrossValidation", "cross_validate", "log_rmse"]

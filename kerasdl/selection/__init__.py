"""Which model? Cross-validation and grids, with everything fitted inside each fold.

The walk of one fold from ``cross_validate`` to its score, from one module down to the next: ``validation``
asks ``folds`` for each fold's own rows, and ``judging`` for their verdict. ``judging`` chooses the way.
Fold by fold, ``in_turn`` takes what ``prepared`` makes of the rows, the pipeline fitted on the training
side alone, puts a fresh model's weights into one that is compiled already, and trains it by the estimator's
own ``estimators.steps``. All at once, ``together`` makes a member of each fold by the same steps, and
``stack`` trains them: ``plan`` reads a model's layers, ``members`` says who can be trained with whom,
``program`` finds the compiled stack of ``layers`` and puts the members' numbers into it, ``train`` runs it
and reads them back, and ``course`` lets callbacks watch each member. On an engine's workers, ``workers`` has
each fold trained in turn there. Whichever way, what comes back is ``fitted``, an estimator that remembers its
model's answers; ``scoring`` shows it to the scorer and writes the fold's row; and ``resume`` keeps that,
for a call that goes on after a kill.
"""

from kerasdl.selection.search import GridSearch, grid_search, halving_search, random_search
from kerasdl.selection.validation import CrossValidation, cross_validate, log_rmse
from kerasdl.selection.workers import FoldsLost

__all__ = [
    "CrossValidation",
    "FoldsLost",
    "GridSearch",
    "cross_validate",
    "grid_search",
    "halving_search",
    "log_rmse",
    "random_search",
]

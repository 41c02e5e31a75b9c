"""Every error a user can cause.

OrchestratorError
├── InputError                the user's input is wrong: exit code 2, one or two lines, no traceback
│   ├── SearchSpaceError      space file, parameter, domain, --set
│   ├── ManifestError         rows, columns, files of a manifest
│   ├── FoldPlanError         a group across folds, a class with too few groups
│   ├── ImageReadError        images that cannot be decoded, named
│   ├── WeightsError          pretrained weights that cannot be had or do not fit
│   ├── MetricError           a metric that does not suit the data, or an own one that gives no number
│   ├── TrainableError        a trainable that cannot be imported or lacks the contract
│   ├── StudyError            a study that exists, is locked, or whose journal is corrupt
│   └── EnsembleError         studies that cannot be combined, a folder that is no ensemble
├── StorageError              a checkpoint or journal line could not be written (disk full)
├── NonFiniteError            a loss or score became NaN or infinite: the fold run fails, the study goes on
└── NoCompleteTrialError      the study ended without one complete trial: exit code 1

A message names the value, the rule, the place and the way out.
"""


class OrchestratorError(Exception):
    """Base of everything raised on purpose."""


class InputError(OrchestratorError):
    """The user's input is wrong; commands print the message and exit with 2."""


class SearchSpaceError(InputError):
    """A space file, a parameter, a domain or a --set that cannot be used."""


class ManifestError(InputError):
    """A manifest that is missing, empty, or lacks what a space asks of it."""


class FoldPlanError(InputError):
    """Folds that cannot be made, or that would leak groups."""


class ImageReadError(InputError):
    """Images that cannot be decoded; the message lists their paths."""


class WeightsError(InputError):
    """Pretrained weights that cannot be downloaded, found or loaded."""


class MetricError(InputError):
    """A metric that does not suit what is predicted, or an own one that cannot be used."""


class TrainableError(InputError):
    """A trainable that cannot be imported or does not keep the contract."""


class StudyError(InputError):
    """A study folder that exists, is locked, or cannot be read."""


class EnsembleError(InputError):
    """Studies that cannot be combined, or a folder that is no ensemble."""


class StorageError(OrchestratorError):
    """Something could not be written; the study stops and can be resumed."""


class NonFiniteError(OrchestratorError):
    """A loss or a score became NaN or infinite."""


class NoCompleteTrialError(OrchestratorError):
    """A study ended without one complete trial."""

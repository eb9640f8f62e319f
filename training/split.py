"""Divides a corpus so that labels are spread evenly and texts of one origin stay together."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from training.corpus import Row


def stratified_folds(rows: Sequence[Row], folds: int, seed: int) -> list[int]:
    """Return the fold of each row.

    Iterative stratification (Sechidis et al. 2011, ECML PKDD) over groups of rows: the groups of the rarest label are
    dealt out first, each to the fold that still wants most of that label. Compliant texts count as a label per kind.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        groups[row.group].append(index)
    names = list(groups)
    np.random.default_rng(seed).shuffle(names)
    labels = {
        name: Counter(x for i in groups[name] for x in rows[i].labels or (f"compliant_{rows[i].kind}",))
        for name in names
    }
    total: Counter[str] = sum(labels.values(), Counter())
    wanted = [Counter({label: count / folds for label, count in total.items()}) for _ in range(folds)]
    fold_of: dict[str, int] = {}
    for label, _ in sorted(total.items(), key=lambda item: item[1]):
        for name in sorted(
            (n for n in names if n not in fold_of and labels[n][label]), key=lambda n: -labels[n][label]
        ):
            fold = max(range(folds), key=lambda f: (wanted[f][label], wanted[f].total()))
            fold_of[name] = fold
            wanted[fold].subtract(labels[name])
    return [fold_of[row.group] for row in rows]

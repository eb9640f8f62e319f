"""Divides a corpus so that labels are spread evenly and texts of one origin stay together."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import BaseModel

from training.config import ConfigError
from training.corpus import Row

SPLIT_FILE = "split.json"


class Split(BaseModel):
    """What a run has held out of which corpus, kept in its folder, so that it is never judged on what it learned."""

    data_version: str
    held_out: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a run's or an artifact's split.json; raises ConfigError."""
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigError(f"文件 {path} 无法读取：{type(error).__name__}") from error

    def rows(self, corpus: Sequence[Row]) -> list[Row]:
        """Return the held-out rows; raises ConfigError where the corpus no longer has them."""
        known = {row.id: row for row in corpus}
        if missing := [name for name in self.held_out if name not in known]:
            raise ConfigError(f"语料中已没有留作检验的文本 {missing[0]} 等 {len(missing)} 条")
        return [known[name] for name in self.held_out]


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

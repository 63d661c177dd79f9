"""Which C the TF-IDF baseline gets: macro-F1 on the VALIDATION split of medical_coding.

python tests/benchmarks/tfidf_baseline.py
"""

from __future__ import annotations

from sklearn.metrics import f1_score

import tunebook as tb
from tunebook.evaluation import baselines

for per_class in (8, 32, 128):
    data = tb.load_dataset(tb.load_case("medical_coding", train_per_class=per_class))
    for c in (1.0, 3.0, 10.0, 30.0):
        baselines.INVERSE_REGULARISATION = c
        (fitted,) = baselines.fit_baselines(
            data.texts("train"),
            data.targets("train"),
            data.texts("validation"),
            data.classes,
            names=("tfidf",),
        )
        predicted = fitted.probabilities.argmax(axis=1)
        score = f1_score(data.targets("validation"), predicted, average="macro")
        print(f"{per_class:>4} per class  C={c:<5} macro-F1 {score:.3f}  {fitted.seconds:.1f} s")
